"""Real models in a worker."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest
from hub_server import hub_server
from worker_kernel import TEN, inside, person, said, written

from local_models.clients.open_worker import arguments_of, open_hosted, plan_of
from local_models.clients.registry import running, stop_workers
from local_models.configuration import Configuration
from local_models.engines.generation import Engine
from local_models.hub.hub_client import Hub
from local_models.hub.model_store import download_model, repair_model
from local_models.reading.span_reader import Passage, open_reader
from local_models.worker import hosted_model as hosted_model
from local_models.worker.hosted_embedder import open_hosted_embedding
from qrag_lib import errors
from qrag_lib.answer.open_reader import reader_of
from qrag_lib.settings import Settings


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_llm import make_tiny_llm

    return make_tiny_llm(tmp_path_factory.mktemp("llm") / "tiny")


def test_a_streamed_model_writes_the_same_in_a_worker_and_after_a_stop(llm: Path, tmp_path: Path) -> None:
    config = Configuration(models_folder=tmp_path, device_map="disk")
    engine = open_hosted(llm, config)
    try:
        here = written(_in_this_process(llm), "o rato roeu a roupa", TEN)
        assert written(engine, "o rato roeu a roupa", TEN)[0] == here[0]
        stopped = engine.generate("prazo de trinta dias", TEN)
        next(stopped)
        stopped.close()
        _pieces, there = written(engine, "o rato roeu a roupa", TEN)
        assert (there.text, plan_of(engine).mode) == (here[1].text, "streamed")
        assert there.details["bytes_read"] > 0
    finally:
        assert len(stop_workers(config.models_folder)) == 1


def test_a_repaired_model_is_loaded_anew(llm: Path, tmp_path: Path) -> None:
    config = Configuration(models_folder=tmp_path, min_free_disk_gib=0)
    with hub_server() as server, Hub(server.endpoint) as hub:
        server.publish("org/tiny", llm)
        folder = download_model("org/tiny", config, hub).folder
        try:
            open_hosted(folder, config).close()
            before = running(config.models_folder)
            shard = next(folder.glob("*.safetensors")).resolve()
            with shard.open("r+b") as file:
                file.seek(-10, os.SEEK_END)
                file.write(b"other")
            assert repair_model("org/tiny", config, hub).healthy
            open_hosted(folder, config).close()
            after = running(config.models_folder)
            assert len(before) == len(after) == 1 and before[0].note.pid != after[0].note.pid
        finally:
            stop_workers(config.models_folder)


def _in_this_process(folder: Path) -> Engine:
    from local_models.decoding.write import StreamedEngine
    from local_models.engines.tokenizer import load_tokenizer
    from local_models.streaming.load_streamed import load_streamed

    return StreamedEngine(load_streamed(folder), load_tokenizer(folder))


def test_a_model_writes_inside_512_mib_beside_the_kernel_that_asks(group: Path, llm: Path, tmp_path: Path) -> None:
    (group / "memory.limit_in_bytes").write_text(str(512 << 20))
    code = f"""
        from local_models.clients.open_worker import open_hosted, plan_of
        from local_models.clients.registry import stop_workers
        from local_models.configuration import Configuration
        config = Configuration(models_folder=Path({str(tmp_path)!r}))
        engine = open_hosted(Path({str(llm)!r}), config, tell=told.append)
        print(engine.count_tokens("".join(engine.generate("a roupa", Sampling(max_new_tokens=9)))) > 0, told)
        stop_workers(config.models_folder)
        """
    assert said(person(tmp_path, textwrap.dedent(code), before=inside(group))) == "True []"
    assert "oom_kill 0" in (group / "memory.oom_control").read_text()


def test_an_embedding_model_in_a_worker_gives_the_same_bits(tiny_model: Path, tmp_path: Path) -> None:
    from local_models.embedding.sentence_embedding import open_embedding

    here, texts = open_embedding(str(tiny_model)), ["um prazo de trinta dias", "", "a \ud800 b"] * 100
    there = open_hosted_embedding(str(tiny_model), tmp_path, idle_s=60)
    try:
        assert (there.encode(texts) == here.encode(texts)).all()
        assert (there.encode(["o prazo?"], kind="query") == here.encode(["o prazo?"], kind="query")).all()
        assert there.token_spans_many(texts) == here.token_spans_many(texts)
        book = "um prazo de trinta dias " * 20_000  # whose word pieces fill several messages of a prompt's length
        assert there.token_spans(book) == here.token_spans(book)
        known = (there.model_id, there.dimensions, there.max_tokens, there.overhead_tokens)
        assert known == (here.model_id, here.dimensions, here.max_tokens, here.overhead_tokens)
        with pytest.raises(errors.GenerationFailed, match="writes nothing"):
            written(there.engine, "a")
    finally:
        stop_workers(tmp_path)


def test_what_killed_processes_left_goes_when_a_model_is_opened(tmp_path: Path) -> None:
    prefixes = tmp_path / "prefixes"
    prefixes.mkdir()
    killed, beyond, kept = prefixes / "a.part", prefixes / "b.kv", prefixes / "c.kv"
    being_made, abandoned = tmp_path / ".kv-now", tmp_path / ".kv-then"
    for path in (killed, beyond, kept, being_made, abandoned):
        path.write_bytes(b"x" * 100)
    for path in (beyond, abandoned):
        os.utime(path, (1, 1))
    hosted_model.clean_computed(tmp_path, 100)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"c.kv", ".kv-now", "lock"}


def test_no_other_form_of_the_weights_is_loaded_than_the_one_that_was_checked(llm: Path, tmp_path: Path) -> None:
    from tiny_llm import copy_of, make_tiny_llm

    from local_models.worker.load_in_memory import load_whole

    folder = copy_of(llm, tmp_path / "both")
    (folder / "model.safetensors.index.json").unlink()  # without it, transformers does not see the shards
    other = make_tiny_llm(tmp_path / "other", format="bin", shards=1)
    (folder / "pytorch_model.bin").write_bytes((other / "pytorch_model.bin").read_bytes())
    with pytest.raises(errors.ModelDamaged, match="cannot be loaded"):
        load_whole(folder)


def test_smaller_plans_of_a_model_end_with_all_of_it_on_disk() -> None:
    wanted = arguments_of(Path("m"), Configuration())
    first = hosted_model.smaller(wanted, "memory")
    assert first and (first["share"], first["settings"]["device_map"]) == (0.6, "auto")
    second = hosted_model.smaller(first, "memory")
    assert second and second["settings"]["device_map"] == "disk"
    assert hosted_model.smaller(second, "memory") is None
    assert hosted_model.smaller(wanted, "device map") == {**second, "share": 1.0}


def test_the_reader_lives_in_the_worker_of_the_embedder(tiny_model: Path, tmp_path: Path) -> None:
    passages = [Passage("Biblioteca", "Cada leitor leva cinco livros."), Passage("", "Amanhã chove.")]
    hosted = open_hosted_embedding(str(tiny_model), tmp_path, idle_s=5)
    here = open_reader().read("quantos livros?", passages)
    try:
        there = hosted.read("quantos livros?", passages)
    finally:
        stop_workers(tmp_path)
    assert [each.answers for each in there] == [each.answers for each in here]
    assert all((a.begins == b.begins).all() and (a.spans == b.spans).all() for a, b in zip(here, there, strict=True))
    assert reader_of(Settings(), hosted) is hosted
