"""Models larger than memory: their weights stay on the disk and pass through a small ring of buffers."""

from local_models.planning.precision import calm_threads

calm_threads()  # before a module of this package imports torch: threads that spin would keep the readers off the cores
