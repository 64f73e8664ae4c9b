"""What can be set of how models are found, planned and run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

DeviceMap = Literal["auto", "cpu", "cuda", "disk"]


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Where models are and what they may take.

    models_folder: of downloaded models. offload_folder: of what a model computes beyond memory; unset,
    `offload` in the models folder. model: the address that is opened where none is given. model_path: what
    `auto:` takes; unset, what the models folder holds. otherwise: the address that `auto:` stands for where no
    model can be run; "" refuses. llama_cpp_path: a program of llama.cpp; unset, the package llama-cpp-python.
    model_memory_mib: what a model may take; unset, what is free. model_context: tokens of prompt and answer
    together that memory is planned for. low_cpu_mem_usage: a model larger than memory is read from disk as it
    computes; else it is refused. device_map: "disk" holds no weights in memory. prefix_cache_mib: disk for
    prompts already computed. worker_idle_s: after which a model that nobody asks leaves the memory.

    >>> Configuration(models_folder=Path("models")).computed_folder.as_posix()
    'models/offload'
    """

    models_folder: Path = Path("models_cache")
    offload_folder: Path | None = None
    model: str = "auto:"
    model_path: Path | None = None
    otherwise: str = ""
    llama_cpp_path: Path | None = None
    openai_url: str = ""
    openai_api_key: str = field(default="", repr=False)
    model_memory_mib: float | None = None
    model_context: int = 2048
    low_cpu_mem_usage: bool = True
    use_safetensors: bool = True
    device_map: DeviceMap = "auto"
    min_free_disk_gib: float = 10.0
    prefix_cache_mib: float = 4096.0
    worker_idle_s: float = 600.0

    @property
    def hub_folder(self) -> Path:
        """Where models of the Hugging Face hub are, as its libraries lay them out."""
        return self.models_folder / "huggingface"

    @property
    def computed_folder(self) -> Path:
        """Where a model keeps what it computed: its attention over long texts, prompts that come again."""
        return self.offload_folder or self.models_folder / "offload"
