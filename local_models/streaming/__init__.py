"""Models larger than memory: their weights stay on the disk and pass through a small ring of buffers.

::

    load_streamed    a Llama-type model whose weights stay on the disk
    streamed_model   what it is beside its architecture: passes one at a time, clear refusals
    streamed_layers  its layers, which compute block by block
    row_blocks       its weights cut into blocks, and which of them stay in memory
    weight_stream    the blocks in the order in which a pass asks for them
    read_ahead       the buffers that threads fill ahead
    direct_reading   a weights file read past the page cache
    row_file         a file of rows of one length, read the same way
    thread_tuning    how many threads compute
"""

from local_models.planning.precision import calm_threads

calm_threads()  # before a module of this package imports torch: threads that spin would keep the readers off the cores
