"""Models from the hub: planned, fetched, verified, repaired, listed, removed; the cache kept clean.

::

    model_store   each of these as one call, where the configuration says
    files         which files of a model are needed
    hub_client    the hub asked over HTTP
    download      plan, room, little files, weights, check, publish
    blobs         the bytes of one file, gone on with by a later run
    verify        whether a model's files are whole; the broken ones fetched again
    cache_layout  where files are in the cache that Hugging Face's libraries share
    cache         what the cache holds, what nobody needs, and its removal
    retries       trying again after something was changed
"""
