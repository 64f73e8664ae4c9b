"""GGUF files through llama.cpp, always in a process of its own.

::

    open_gguf        a file opened by whatever of llama.cpp is here
    gguf_header      the header, checked before llama.cpp sees the file
    gguf_vocabulary  tokens that are more than text
    gguf             the package llama-cpp-python as an engine, in a worker
    llama_program    the programs of llama.cpp, which never outlive us
    llama_server     its server as an engine
    llama_simple     its simplest program as an engine, for users who have no other
"""
