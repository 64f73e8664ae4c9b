"""Answers that a language model writes.

::

    engines       the engines of `local_models`, and one that needs no model
    extractive    that one: sentences of the prompt
    llm_adapters  one face for an engine of ours and any LlamaIndex LLM
    prompt        what a model is told, with a name, a version and a hash; its texts are in `prompts/`
    prompting     rules, passages, question, within a number of tokens
    drafts        what the model writes, several questions in one pass
    check_draft   a draft compared with the documents: cited, marked or refused
    attribution   which sentences of the documents stand behind one of the model's
"""
