"""Documents to chunks: exact spans that fit the embedder.

::

    chunker          the chunks of a document
    sentence_packer  sentences packed into spans
    outline          headings and page of a place
    legal_headings   articles and chapters of legal texts as headings
    outside_parser   a LlamaIndex node parser in the place of ours

The size of a chunk is a setting; where one is cut is decided in `sentence_packer`.
"""
