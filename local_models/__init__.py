"""Models on a small machine: texts into vectors, texts into texts; useful by itself, and it knows nothing of documents.

::

    configuration  where models are and what they may take
    hub            models fetched, verified, repaired, listed, removed
    checkpoint     which files are the weights, their headers and tensors; whether they may be loaded at all
    planning       memory and disk counted; how a model will be loaded, before a byte of it is read
    streaming      weights that stay on the disk and pass through a small ring of buffers
    kv_cache       keys and values in memory or on the disk; prompts kept for the next time
    decoding       the passes of a generation, drafts, several texts at once, stop strings
    int8           copies in eight bits
    embedding      texts into vectors: MiniLM, E5 for Portuguese and English, any BERT
    reading        which words of a passage answer a question
    engines        one face for all that writes text, and the table of them by the scheme of an address
    remote         servers that speak OpenAI's API
    llama_cpp      GGUF files through llama.cpp
    worker         the process that holds a model
    clients        what finds, starts and asks such a process
    interface      what a person reads of all this, in their language
    durable        files that a power cut leaves whole or not there
    errors         what goes wrong

Nothing here imports `qrag_lib`. To change how a model is chosen go to `engines.model_choice`; which files are
trusted, to `checkpoint.model_safety`; what fits, to `planning.planner`; to add an engine, to `engines.open_engine`.
"""

__version__ = "0.1.0"
