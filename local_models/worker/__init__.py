"""A child process that holds a model; `local_models.clients` is who asks it.

One worker serves every kernel of this user that asks for the same model: they find it through a
note and a socket in a private folder. It outlives the kernel that started it, ends by itself when
nobody has asked for a while, and the kernel of the operating system frees all it holds however it ends.

::

    process          closed to others, first to go when memory is short, its log kept small
    file_hold        the lock that a worker keeps as long as it lives
    listening        its socket
    server           the loop that loads, generates and ends
    sessions         a connection, from its request to its last reply
    protocol         JSON objects, one a line
    factories        the engines that a worker may build, by name
    hosted_model     the language model of a folder: tokenizer, plan, weights, engine
    load_in_memory   a model of any architecture that transformers knows
    hosted_embedder  an embedding model, on both sides
"""
