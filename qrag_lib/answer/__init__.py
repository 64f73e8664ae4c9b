"""A question to an Answer: every quote exact, every sentence with what stands behind it, or a refusal.

`answerer` is the flow: search, `quoted.quotes`, where a model is to write `written.drafts` and
`written.check_draft`, then `citations`. It is the same for one question and for many.

::

    answerer           asking a workspace: one question or many
    requests           to summarise, to compare: what no quote can fulfil
    open_reader        the reader, where the embedder is
    sentences          sentences as evidence for a question
    quoted             answers made of them, word for word
    written            answers that a language model writes, each sentence compared with the documents
    table_rows         rows of tables as a person reads them
    citations          what a citation is given when its answer is whole
    streaming_display  an answer as it is being written

How sure an answer is comes from `quoted.judgement` (with the reader) and `quoted.confidence` (without).
"""
