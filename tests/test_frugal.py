"""Asking within half a gibibyte: search, model and check in turn, each in a process that leaves before the next."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_llm import ScriptedLLM
from tiny_llm import make_tiny_llm
from worker_kernel import inside, person, said
from written_answer import generate

from benchmarks.cgroups import NoCgroup, Ran, run_limited
from local_models.clients import rendezvous
from local_models.clients.registry import stop_workers
from local_models.worker.hosted_embedder import open_hosted_embedding
from qrag_lib.answer.written.llm_adapters import Writers
from qrag_lib.cli import main
from qrag_lib.cli.exits import Exit
from qrag_lib.settings import Settings
from qrag_lib.types import Chunk, Hit, Hits

MIB = 2**20
LID = "The lid is red, or so they said at noon. The box below it is green.\n"
QUESTION = "What is red?"
ASK = """
    import sys
    from qrag_lib.cli import main
    code = main(sys.argv[1:])
    print(*sorted({"torch", "transformers", "llama_index", "chromadb"} & set(sys.modules)), file=sys.stderr)
    sys.exit(code)
    """


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the workspace `ws`, embedded by MiniLM, and the language model `llm`."""
    folder = tmp_path_factory.mktemp("frugal")
    (folder / "lid.md").write_text(LID, "utf-8")
    assert main(["ingest", str(folder / "lid.md"), "-w", str(folder / "ws"), "--json"]) == Exit.DONE
    make_tiny_llm(folder / "llm")
    yield folder
    stop_workers(folder / "ws" / "models_cache")


def asked(room: Path, limit_mib: int) -> tuple[Ran, Any]:
    options = ["ask", QUESTION, "-w", str(room / "ws"), "--model", f"offload:{room / 'llm'}", "--threshold", "0"]
    command = [sys.executable, "-c", textwrap.dedent(ASK), *options, "--json"]
    environment = {**os.environ, "QRAG_LANG": "en", "QRAG_MODEL_CONTEXT": "1024"}
    try:
        ran = run_limited(command, limit_mib * MIB, timeout_s=240, environment=environment)
    except NoCgroup as error:
        pytest.skip(f"root may limit memory, and here: {error}")
    assert ran.output, ran.errors
    return ran, json.loads(ran.output)


def test_a_question_is_searched_written_and_checked_within_half_a_gibibyte(room: Path) -> None:
    ran, answer = asked(room, 512)
    assert (ran.oom_kills, answer["failure"], answer["generator"]) == (0, "", "llm"), ran.errors
    assert answer["writing"]["n_new_tokens"] > 0 and answer["draft"]
    assert "by words alone" not in answer["note"]  # the embedding model came back for the check
    told = [line for line in ran.errors.splitlines() if line.strip() and "Loading the embedding model" not in line]
    assert told == []  # none of the heavy libraries, no warning


def test_where_even_one_model_has_no_room_that_is_said(room: Path) -> None:
    ran, answer = asked(room, 300)
    assert (ran.oom_kills, answer["error"]) == (0, "ModelTooLarge"), ran.errors
    assert "the embedding model minilm needs" in answer["message"] and "are there" in answer["message"]


def of(root: Path, code: str) -> str:
    return f"ROOT = {str(root)!r}\n" + textwrap.dedent(code)


def test_an_idle_worker_gives_way_where_memory_is_short(group: Path, tmp_path: Path) -> None:
    code = """
        from local_models.clients.registry import running
        first, second = opened(name="first"), opened(name="second")
        print(len(running(Path(ROOT))))
        print(first.count_tokens("it is started again"), len(running(Path(ROOT))))
        """
    out = said(person(tmp_path, of(tmp_path, code), before=inside(group)))
    assert out == "1\n4 1"


def test_a_worker_that_writes_is_left_alone(group: Path, tmp_path: Path) -> None:
    code = """
        from local_models.clients.registry import running
        text = opened(pause_s=0.05).generate("a b", Sampling(max_new_tokens=100_000))
        next(text)
        opened(name="second")
        print(len(running(Path(ROOT))), next(text))
        text.close()
        """
    out = said(person(tmp_path, of(tmp_path, code), before=inside(group)))
    assert out == "2 b"


@pytest.fixture
def lost(tiny_model: Path, tmp_path: Path) -> Iterator[tuple[Any, Callable[[], None]]]:
    """An embedding model in a worker, and what makes it impossible to have it back."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)

    def lose() -> None:
        stop_workers(tmp_path)
        shutil.rmtree(folder)

    yield open_hosted_embedding(str(folder), tmp_path), lose
    stop_workers(tmp_path)
    shutil.rmtree(rendezvous.private_folder(tmp_path), ignore_errors=True)


def test_where_the_embedder_cannot_come_back_words_alone_are_compared_and_that_is_said(
    lost: tuple[Any, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")
    embedding, lose = lost
    hits = Hits(QUESTION, "en", (Hit(Chunk("lid#0", "lid", "lid.md", 0, LID, 0, len(LID), language="en"), 1.0),))
    writers = Writers(Settings())

    def writer() -> Any:
        lose()
        return writers.of(ScriptedLLM(text="The lid is red, or so they said at noon."))

    answer = generate(QUESTION, hits, {"lid": LID}.__getitem__, embedding, writer)
    assert answer.sentences[0].supported and not answer.failure
    assert "by words alone" in answer.note and "by words alone" in " ".join(str(answer).split())
