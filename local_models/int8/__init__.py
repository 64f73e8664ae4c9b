"""Copies in eight bits: half the bytes to read for each token.

::

    quantize     the copy of a model, made and compared
    int8_store   the copy's folder
    int8_layers  the layers that compute from it
    int8_drift   how far it is from the model it was made from
"""
