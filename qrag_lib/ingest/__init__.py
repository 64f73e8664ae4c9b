"""Documents in: read, chunked, embedded and committed, each wholly or not at all.

::

    sources           what can be ingested, as one stream of items
    change_detection  what of it is new or changed
    moves             files that have another name now
    vanished          folders that are gone
    embedding_choice  which model `auto` stands for
    ingest            windows of documents through chunks and vectors to a commit
    indexer           the index kept what the settings ask for
    writer_lock       one writer at a time
    forget            documents out, with a receipt
"""
