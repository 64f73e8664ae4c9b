"""A question to an Answer: every quote exact, every sentence with what stands behind it, or a refusal.

A question passes `answerer`, which searches and chooses who answers; `quoted.quotes` (no model) or
`written.generated` (a model); and `citing`, which completes the citations.

::

    answerer           asking a workspace: one question or many
    requests           to summarise, to compare: what no quote can fulfil
    open_reader        the reader, where the embedder is
    sentences          sentences as evidence for a question
    quoted             answers made of them, word for word
    written            answers that a language model writes, each sentence compared with the documents
    table_rows         rows of tables as a person reads them
    citing             what a citation is given when its answer is whole
    streaming_display  an answer as it is being written

How sure an answer is comes from `quoted.judgement` (with the reader) and `quoted.confidence` (without).
"""
