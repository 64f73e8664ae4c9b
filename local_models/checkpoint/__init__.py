"""What a folder with a model holds: which files are the weights, whether they may be trusted, where each tensor lies.

::

    model_folder        the folder of a model, found and checked before anything of it is loaded
    model_safety        what a language model's folder must be: no code, nothing missing, nothing that lies
    structure           whether a weights file is what its name says, from its header alone
    safetensors_header  the header of a safetensors file
    bin_shard           a `.bin` shard: a zip archive whose records are the tensors' bytes
    pickle_table        the table of tensors in such a shard, read without running it
    weights             the tensors of all files: which file, which bytes, which type
    tensor_location     where one tensor lies
    checksum_record     which weights were verified
    fingerprint         names for what a file or folder holds, made without reading all of it

A new format of weights begins in `structure` and `weights`; what is refused is decided in `model_safety`.
"""
