"""Keys and values of what a model has read.

::

    kv_shape   how large they are
    kv         the cache of a text, in memory or in a file, as transformers' `Cache`
    kv_layers  its layers; those in a file are read ahead of the attention that wants them
    prefix     the beginnings of prompts, kept on disk for the next time
"""
