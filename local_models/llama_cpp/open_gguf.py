"""A GGUF file opened by whatever of llama.cpp is here."""

from __future__ import annotations

from pathlib import Path

from local_models.checkpoint.fingerprint import fingerprint
from local_models.configuration import Configuration
from local_models.engines.generation import Engine
from local_models.llama_cpp.gguf import FACTORY, check_generates, check_package
from local_models.llama_cpp.gguf_header import read_gguf_header


def open_gguf(path: Path, config: Configuration) -> Engine:
    """An engine over a GGUF file, by the program of the setting llama_cpp_path or the package llama-cpp-python.

    The header is checked first: ModelRefused or ModelDamaged before llama.cpp sees the file. Either way
    llama.cpp runs in a process of its own, so that a file which crashes it ends nothing else.
    Raises ModelTooLarge where it does not fit the memory, ModelUnavailable where there is no llama.cpp.
    """
    from local_models.planning.gguf_plan import plan_gguf

    plan = plan_gguf(path, config=config).check()
    check_generates(path, read_gguf_header(path))
    if config.llama_cpp_path is not None:
        return _by_program(config.llama_cpp_path, path, plan.context)
    check_package(path)
    from local_models.clients.client import open_worker

    arguments = {"path": str(path.resolve()), "weights": fingerprint(path), "context": plan.context}
    return open_worker(FACTORY, arguments, config.models_folder, idle_s=config.worker_idle_s)


def _by_program(said: Path, path: Path, context: int) -> Engine:
    from local_models.llama_cpp.llama_program import find_program, is_simple
    from local_models.llama_cpp.llama_server import LlamaServerEngine
    from local_models.llama_cpp.llama_simple import LlamaSimpleEngine

    program = find_program(said)
    return (LlamaSimpleEngine if is_simple(program) else LlamaServerEngine)(program, path, context=context)
