"""Texts into vectors.

::

    embedder            what a search asks of an embedding model, wherever it is
    sentence_embedding  the models by their address; batches, prefixes, one vector a text
    transformer         a checked encoder in memory; the one module that runs torch for embeddings
    pooling             what a sentence embedding model does around its transformer
    bert                BERT's encoder in plain torch
    bert_shape          its sizes
    bert_folder         a folder that holds plain BERT, read without transformers
    e5                  E5 for Portuguese and English: network and tokenizer
    e5_file             the packaged file it is read from, checked

A new packaged model gets an address in `sentence_embedding` and a reader like `e5_file`.
"""
