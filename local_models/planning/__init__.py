"""Memory and disk counted before they are used.

::

    memory          what a process that starts now may take
    footprint       what a language model takes, by part
    planner         which way of loading fits: the first that does, the fastest first
    plan            the plan for a model's folder
    gguf_plan       the plan for a GGUF file
    load_plan       a plan as a value that shows itself
    precision       the device and the number format in which a model is fastest
    memory_monitor  memory over time

What fits is decided in `planner`; what a part takes, in `footprint`.
"""
