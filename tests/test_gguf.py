"""GGUF files: checked before llama.cpp sees them, run by its package in a worker or by its own server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from gguf_file import NEEDS_LLAMA_CPP, write_tiny_gguf
from stub_llama_simple import make_program
from stub_openai import WORDS

from local_models.engines.generation import Engine, Message, Sampling
from local_models.llama_cpp.gguf_vocabulary import read_gguf_vocabulary
from local_models.llama_cpp.llama_program import find_program
from local_models.llama_cpp.llama_server import LlamaServerEngine
from local_models.llama_cpp.llama_simple import LlamaSimpleEngine
from qrag_lib.errors import (
    GenerationFailed,
    ModelDamaged,
    ModelError,
    ModelRefused,
    ModelTooLarge,
    ModelUnavailable,
    SettingsError,
)
from qrag_lib.llamaindex.open_llm import open_llm
from qrag_lib.settings import Settings

TESTS = Path(__file__).parent
with_package = pytest.mark.skipif(find_spec("llama_cpp") is None, reason=NEEDS_LLAMA_CPP)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that takes llama-server's arguments."""
    path = tmp_path / "llama.cpp" / "build" / "bin" / "llama-server"
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{TESTS / "stub_llama_server.py"}" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def served(program: Path, model: Path) -> Iterator[Callable[..., LlamaServerEngine]]:
    opened: list[LlamaServerEngine] = []

    def open_one(path: Path = model) -> LlamaServerEngine:
        opened.append(LlamaServerEngine(program, path, context=128, load_s=30))
        return opened[-1]

    yield open_one
    for engine in opened:
        engine.close()


def written(engine: Engine, prompt: str = "Red?") -> str:
    return "".join(engine.generate(prompt, Sampling()))


def servers_of(pid: int) -> list[psutil.Process]:
    """The servers that a process started; each has a guard above it."""
    below = psutil.Process(pid).children(recursive=True)
    alive = [process for process in below if process.status() != psutil.STATUS_ZOMBIE]
    return [process for process in alive if "stub_llama_server.py" in " ".join(process.cmdline())]


def programs_at_work() -> list[psutil.Process]:
    """The stand-ins for llama-simple below this process."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "stub_llama_simple.py" in " ".join(process.cmdline()):
                found.append(process)
    return found


# --- before llama.cpp ---------------------------------------------------------------------------


def test_a_lying_header_is_refused_before_anything_is_loaded(model: Path, tmp_path: Path) -> None:
    lying = tmp_path / "lying.gguf"
    lying.write_bytes(b"GGUF" + model.read_bytes()[4:8] + b"\xff" * 8 + model.read_bytes()[16:])
    with pytest.raises((ModelRefused, ModelDamaged), match=r"lying\.gguf"):
        open_llm(f"gguf:{lying}", settings=Settings(models_cache=tmp_path))


def test_a_file_that_ends_early_is_damaged(model: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(model.read_bytes()[:-4096])
    with pytest.raises(ModelDamaged, match=r"short\.gguf"):
        open_llm(f"gguf:{short}", settings=Settings(models_cache=tmp_path))


def test_a_vocabulary_without_weights_is_refused(shared_data: Path, tmp_path: Path) -> None:
    vocabulary = shared_data / "tokenizer" / "ggml-vocab-deepseek-llm.gguf"
    with pytest.raises(ModelError, match="holds a vocabulary and no weights"):
        open_llm(f"gguf:{vocabulary}", settings=Settings(models_cache=tmp_path))


def test_a_file_larger_than_the_memory_is_refused_with_the_numbers(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelTooLarge, match=r"tiny\.gguf needs .* of memory, and .* are there"):
        open_llm(f"gguf:{model}", settings=Settings(models_cache=tmp_path, model_memory_mib=1))


@pytest.mark.skipif(find_spec("llama_cpp") is not None, reason="root may have llama-cpp-python, which this is without")
def test_without_llama_cpp_the_way_to_it_is_told(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"needs llama\.cpp, which is not installed") as raised:
        open_llm(f"gguf:{model}", settings=Settings(models_cache=tmp_path))
    assert "LLAMA_CPP_PATH" in str(raised.value.hint)


# --- llama-server -------------------------------------------------------------------------------


def test_the_program_is_found_in_a_folder_of_llama_cpp(program: Path, tmp_path: Path) -> None:
    assert find_program(program) == find_program(tmp_path / "llama.cpp") == program
    with pytest.raises(SettingsError, match="there is no llama-server / llama-simple at"):
        find_program(tmp_path / "nowhere")


def test_a_server_beside_another_program_is_preferred(program: Path, tmp_path: Path) -> None:
    simple = make_program(program.parent)
    assert find_program(simple) == find_program(program.parent) == program
    program.unlink()
    assert find_program(simple) == find_program(tmp_path / "llama.cpp") == simple
    simple.rename(simple.with_name("llama-cli"))
    with pytest.raises(SettingsError, match="there is no llama-server / llama-simple at"):
        find_program(simple.with_name("llama-cli"))
    named = make_program(program.parent).rename(program.with_name("llama-simple-b3500"))
    assert find_program(named) == named


def test_the_setting_starts_a_server(program: Path, model: Path, tmp_path: Path) -> None:
    settings = Settings(models_cache=tmp_path, llama_cpp_path=program.parents[2], model_context=64)
    llm = open_llm(f"gguf:{model}", settings=settings)
    assert llm.complete("Red?").text == "".join(WORDS)
    assert (llm.metadata.context_window, llm.metadata.model_name) == (64, "tiny-gguf")
    llm.close()


def test_a_server_answers_and_ends_with_its_engine(served: Callable[..., LlamaServerEngine]) -> None:
    engine = served()
    assert servers_of(psutil.Process().pid) == []
    assert written(engine, engine.render([Message("user", "Red?")])) == "".join(WORDS)
    (server,) = servers_of(psutil.Process().pid)
    engine.close()
    assert not server.is_running()


def test_ctrl_c_in_a_terminal_is_not_for_the_server(served: Callable[..., LlamaServerEngine]) -> None:
    engine = served()
    assert written(engine)
    (server,) = servers_of(psutil.Process().pid)
    assert os.getpgid(server.pid) != os.getpgid(0)


def test_the_key_is_not_among_the_arguments(served: Callable[..., LlamaServerEngine]) -> None:
    engine = served()
    written(engine)
    (server,) = servers_of(psutil.Process().pid)
    key = engine._engine()._key
    assert len(key) == 32
    assert not any(key in argument for argument in server.cmdline())


def test_a_server_that_was_killed_is_started_again(served: Callable[..., LlamaServerEngine]) -> None:
    engine = served()
    assert written(engine)
    (server,) = servers_of(psutil.Process().pid)
    server.kill()
    psutil.wait_procs([server])
    engine._served[0].wait()  # type: ignore[index]
    assert written(engine)


def test_a_server_that_cannot_load_says_why(served: Callable[..., LlamaServerEngine], model: Path) -> None:
    broken = model.with_name("broken.gguf")
    broken.write_bytes(model.read_bytes())
    with pytest.raises(ModelUnavailable, match=r"ended while it loaded .*: error: failed to load broken\.gguf"):
        written(served(broken))


def test_a_server_ends_when_the_kernel_that_started_it_is_killed(program: Path, model: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from local_models.engines.generation import Sampling\n"
        "from local_models.llama_cpp.llama_server import LlamaServerEngine\n"
        "engine = LlamaServerEngine(Path(sys.argv[1]), Path(sys.argv[2]), load_s=30)\n"
        "print(''.join(engine.generate('Red?', Sampling())), flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script, program, model], stdin=pipe, stdout=pipe) as kernel:
        assert kernel.stdout is not None
        assert kernel.stdout.readline().strip() == "".join(WORDS).encode()
        started = servers_of(kernel.pid)
        assert started
        kernel.send_signal(signal.SIGKILL)
    _gone, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []


# --- llama-cpp-python ---------------------------------------------------------------------------


@with_package
def test_the_files_own_template_is_used(tmp_path: Path) -> None:
    from local_models.llama_cpp.gguf import GgufEngine

    engine = GgufEngine(
        write_tiny_gguf(tmp_path / "own.gguf", chat_template="[{{ messages[0].content }}]{{ eos_token }}")
    )
    assert engine.render([Message("user", "a </s> b")]) == "[a < /s> b]</s>"
    engine.close()


@with_package
def test_a_hostile_template_of_a_file_is_refused(tmp_path: Path) -> None:
    from local_models.llama_cpp.gguf import GgufEngine

    hostile = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    engine = GgufEngine(write_tiny_gguf(tmp_path / "hostile.gguf", chat_template=hostile))
    with pytest.raises(ModelRefused, match="chat template cannot be used"):
        engine.render([Message("user", "Oi")])
    engine.close()


@with_package
def test_a_gguf_lives_in_a_worker(model: Path, tmp_path: Path) -> None:
    from local_models.clients.registry import stop_workers

    llm = open_llm(f"gguf:{model}", settings=Settings(models_cache=tmp_path), max_new_tokens=4)
    assert llm.complete("The lid").raw["usage"]["completion_tokens"] == 4
    stop_workers(tmp_path)


# --- llama-simple -------------------------------------------------------------------------------


@pytest.fixture
def simple(model: Path, tmp_path: Path) -> LlamaSimpleEngine:
    return LlamaSimpleEngine(make_program(tmp_path), model, context=128)


def test_the_program_of_a_setting_writes(model: Path, tmp_path: Path) -> None:
    settings = Settings(models_cache=tmp_path, llama_cpp_path=make_program(tmp_path))
    llm = open_llm(f"gguf:{model}", settings=settings)
    assert llm.complete("Which colour has the lid?  ").text == "".join(WORDS)


def test_a_prompt_that_looks_like_an_option_is_a_prompt(simple: LlamaSimpleEngine) -> None:
    assert written(simple, "-n") == "".join(WORDS)


def test_what_a_document_says_is_no_control_token(simple: LlamaSimpleEngine, model: Path) -> None:
    special = read_gguf_vocabulary(model)
    assert (special.controls, special.bos, special.eos) == (("<s>", "</s>"), "<s>", "</s>")
    assert simple.render([Message("user", "a </s> b")]) == "User: a < /s> b\n\nAssistant:"


def test_a_program_that_fails_is_quoted(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(model.read_bytes())
    with pytest.raises(GenerationFailed, match="llama-simple failed: main: error: unable to load model"):
        written(LlamaSimpleEngine(make_program(tmp_path), broken))


def test_a_program_that_does_not_repeat_the_prompt_is_not_believed(simple: LlamaSimpleEngine) -> None:
    with pytest.raises(GenerationFailed, match="did not repeat the prompt"):
        written(simple, "forget the prompt")


def test_a_temperature_is_refused_with_the_way_to_it(simple: LlamaSimpleEngine) -> None:
    with pytest.raises(GenerationFailed, match="knows no temperature") as raised:
        list(simple.generate("Red?", Sampling(temperature=0.7)))
    assert "llama-server" in str(raised.value.hint)


def test_a_text_that_is_left_ends_the_program(simple: LlamaSimpleEngine) -> None:
    text = simple.generate("slowly", Sampling())
    assert next(text) == WORDS[0]
    text.close()
    assert not programs_at_work()


@pytest.mark.parametrize("prompt", ["which?\n\nAssistant: \n", "a \u2581\u2582 line", "the lid  the lid", "Red"])
def test_the_text_begins_after_the_prompt_whatever_became_of_its_blanks(simple: LlamaSimpleEngine, prompt: str) -> None:
    assert written(simple, prompt) == "".join(WORDS)


def test_a_program_that_is_killed_says_so(simple: LlamaSimpleEngine) -> None:
    with pytest.raises(GenerationFailed, match="llama-simple failed: killed by signal 9"):
        written(simple, "die")


def test_two_texts_of_one_thread_do_not_wait_for_each_other(simple: LlamaSimpleEngine) -> None:
    first = simple.generate("Red?", Sampling())
    next(first)
    with pytest.raises(GenerationFailed, match="is writing another text in this thread"):
        written(simple)
    assert "".join(first)


def test_tokens_that_llama_cpp_takes_for_more_than_text_are_controls(tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "m.gguf", kinds={"<s>": 1, "</s>": 3, "ra": 4, "r": 2})
    assert read_gguf_vocabulary(model).controls == ("<s>", "</s>")
