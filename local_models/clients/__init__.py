"""Who asks a worker: found or started, asked, and told why it is gone.

::

    rendezvous       the private folder of the workers, and the names of what lies in it
    start            a worker found, or started where there is none
    client           `WorkerEngine`: the model in the other process as an `Engine`
    open_worker      the language model of a folder, hosted
    smaller_plan     which failures a smaller plan may mend
    memory_pressure  idle workers end where another needs their memory
    registry         the workers of a folder: seen, stopped, swept up after
    deaths           why a worker is gone

What a worker itself does is in `local_models.worker`.
"""
