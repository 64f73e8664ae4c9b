"""A generation, from the prompt to the last token.

::

    write         an engine over a transformers model: text piece by piece
    decode        the passes: the prompt in chunks, then each new token
    draft_lookup  drafts from what was already said, checked in one pass
    batch         several texts in the same passes
    stop_text     the text as its tokens come, cut before a stop string
"""
