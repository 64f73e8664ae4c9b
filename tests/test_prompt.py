"""A question at the prompt: light in the process that asks, its model kept by a worker, and answered without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_models.clients import rendezvous
from local_models.clients.registry import running, stop_workers
from qrag_lib.cli import main
from qrag_lib.cli.exits import Exit
from qrag_lib.errors import ModelError, ModelUnavailable
from qrag_lib.search import embedders
from qrag_lib.settings import Settings

HEAVY = ("torch", "transformers", "llama_index", "chromadb")
TEXT = "O prazo do rei é de trinta dias. A roupa do rei de Roma foi roída pelo rato.\n"
ASK = f"""
    import json, sys
    from qrag_lib.cli import main
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.write("\\nheavy" + json.dumps(sorted(sys.modules.keys() & set({HEAVY!r}))))
    sys.exit(code)
    """
Asked = Callable[..., tuple[dict[str, Any], list[str], str]]


@pytest.fixture
def place_of(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the workspace `ws`, embedded by the tiny model, without a worker."""
    monkeypatch.setenv("QRAG_LANG", "en")
    monkeypatch.setenv("QRAG_EMBEDDING_MODEL", str(tiny_model))
    (tmp_path / "rei.md").write_text(TEXT, "utf-8")
    assert main(["ingest", str(tmp_path / "rei.md"), "-w", str(tmp_path / "ws"), "--json"]) == Exit.DONE
    yield tmp_path
    stop_workers(tmp_path / "ws" / "models_cache")


@pytest.fixture
def asked(place_of: Path) -> Asked:
    """Asks in a process of its own: the answer, the heavy libraries that it loaded, what it told."""

    def ask(**environment: str) -> tuple[dict[str, Any], list[str], str]:
        words = ["ask", "Qual é o prazo do rei?", "-w", str(place_of / "ws"), "--json", "--threshold", "0"]
        command = [sys.executable, "-c", textwrap.dedent(ASK), *words]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)
        told, _mark, heavy = done.stderr.rpartition("\nheavy")
        return json.loads(done.stdout), json.loads(heavy), told

    return ask


def workers(folder: Path) -> list[int]:
    return [each.note.pid for each in running(folder / "ws" / "models_cache")]


def test_the_process_that_asks_is_light_and_the_next_finds_the_same_worker(place_of: Path, asked: Asked) -> None:
    first, heavy, _told = asked()
    [pid] = workers(place_of)
    second, still_light, _told = asked()
    assert heavy == still_light == []
    assert workers(place_of) == [pid]
    assert first["sentences"] == second["sentences"] and "trinta dias" in json.dumps(second)


def test_two_who_ask_at_once_start_one_worker(place_of: Path) -> None:
    words = [sys.executable, "-m", "qrag_lib", "search", "prazo", "-w", str(place_of / "ws"), "--json"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _n in range(2)]
    outputs = [each.communicate(timeout=300)[0] for each in both]
    assert all(json.loads(output)["hits"] for output in outputs)
    assert len(workers(place_of)) == 1


def test_a_killed_worker_is_followed_by_another(place_of: Path, asked: Asked) -> None:
    asked()
    [pid] = workers(place_of)
    os.kill(pid, signal.SIGKILL)
    answer, heavy, _told = asked()
    assert "trinta dias" in json.dumps(answer) and heavy == []
    assert workers(place_of) != [pid]


def test_where_the_setting_says_never_no_worker_is_started(place_of: Path, asked: Asked) -> None:
    answer, heavy, _told = asked(QRAG_WORKER="never")
    assert "trinta dias" in json.dumps(answer) and heavy == ["torch"]  # neither transformers nor LlamaIndex
    assert workers(place_of) == []


def test_where_no_worker_can_be_had_the_model_is_loaded_by_who_asks(place_of: Path, asked: Asked) -> None:
    root = place_of / "ws" / "models_cache"
    root.write_text("a file stands where the workers' folder would be")
    answer, heavy, _told = asked(TMPDIR=str(_closed(root)))
    assert "trinta dias" in json.dumps(answer) and heavy == ["torch"]


def _closed(root: Path) -> Path:
    """A folder for temporary files in which the place of the workers is taken by something else."""
    folder = root.parent / "temporary"
    folder.mkdir()
    named = rendezvous._places(root)[1].name
    (folder / named).write_text("taken")
    return folder


def test_what_takes_longer_than_half_a_second_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedders, "SOON_S", 0.01)
    monkeypatch.setenv("QRAG_LANG", "pt_BR")
    told: list[str] = []
    slow = embedders.Embedders(Settings(worker="never"))
    slow.tell = told.append
    with slow._telling("minilm"):
        time.sleep(0.1)
    with slow._telling("quick"):
        pass
    assert told == ["Carregando o modelo de embeddings minilm…"]


class _Lost:
    """An engine whose worker never replies."""

    def __init__(self) -> None:
        self.details = {"model_id": "m", "dimensions": 32, "max_tokens": 9, "overhead_tokens": 2}

    def ask(self, ask: Any) -> Any:
        raise ModelUnavailable("gone")


def test_a_worker_lost_for_good_gives_way_to_the_model_here(tiny_model: Path) -> None:
    from local_models.embedding.sentence_embedding import open_embedding
    from local_models.worker.hosted_embedder import HostedEmbedding

    here, lost = open_embedding(str(tiny_model)), HostedEmbedding(_Lost(), lambda: here)  # type: ignore[arg-type]
    assert (lost.encode(["um prazo", "a"]) == here.encode(["um prazo", "a"])).all()
    assert lost.token_spans("um prazo") == here.token_spans("um prazo")
    with pytest.raises(ModelError, match="gone"):
        HostedEmbedding(_Lost()).encode(["a"])  # type: ignore[arg-type]
