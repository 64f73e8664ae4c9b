"""A question in, the passages that fit it best out.

::

    retrieve          the search: question, candidates, ranking, hits
    embedders         the models that the indexes were made with, each opened once
    typos             a word that no passage holds, read as the one a letter away
    candidates        what each side finds, and how both judge all of it
    lexical           BM25 as a share
    named_provisions  "artigo 4", "section 4.2": the provision itself first
    fusion            one ranking out of two judgements
    fusion_weight     the weight of the dense side, fitted to the corpus
    conditions        conditions on metadata in the forms people write them
    rerank            LlamaIndex's postprocessors as rerankers
    explain           at which stage a passage was lost

The constants of the blend are in `fusion`; a new kind of candidate begins in `candidates`.
"""
