"""Which words of a passage answer a question, and whether any do.

::

    span_reader   the reader: a cross-encoder over question and passage
    span_weights  its weights, in 8 bits, beside this file (`weights/`, with their card)
"""
