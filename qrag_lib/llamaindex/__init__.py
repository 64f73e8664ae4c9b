"""The door to LlamaIndex: our parts as its parts. Its parts in the place of ours come in by `outside_reader`,
`outside_parser` and `rerank`.

::

    llama_reader     our reader as a `BaseReader`
    node_parser      our chunks as a `NodeParser`
    llama_embedding  our embedding models as a `BaseEmbedding`
    retriever        the search as a `BaseRetriever`
    llm              any engine as an `LLM`
    open_llm         that engine, by its address
"""
