"""What an engine over a transformers model writes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_engine import GREEDY, PROMPT, load_whole, make_engine, pieces_of, written
from tiny_llm import make_tiny_llm

from local_models.decoding.decode import Tally, prefill
from local_models.engines.generation import Engine, Message, Sampling
from local_models.errors import GenerationFailed, ModelTooLarge, ModelUnavailable
from local_models.kv_cache.kv import DiskCache, kv_shape

LONG = Sampling(120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("llm") / "llama")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_whole(folder)


@pytest.fixture
def engine(folder: Path, model: Any) -> Any:
    return make_engine(folder, model)


@pytest.fixture(scope="module")
def looping(folder: Path) -> Any:
    """Engines over a model that sees its last token alone, so that its likeliest text soon repeats itself."""
    model = load_whole(folder)
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return lambda **options: make_engine(folder, model, **options)


def test_it_is_an_engine(engine: Any) -> None:
    assert isinstance(engine, Engine)
    assert engine.context_length == 2048
    assert engine.count_tokens("trinta dias") == len(engine.tokenizer.encode("trinta dias"))
    assert "trinta" in engine.render([Message("user", "trinta")])


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral"])
def test_tokens_are_those_of_transformers_own_generate(kind: Any, tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / kind, kind=kind, layers=2)
    model = load_whole(folder)
    engine = make_engine(folder, model)
    ids = torch.tensor([engine.tokenizer.encode(PROMPT, special=True)])
    expected = model.generate(ids, max_new_tokens=24, do_sample=False)[0, ids.shape[1] :].tolist()
    text = written(engine)
    assert text.text == engine.tokenizer.decode(expected)
    assert (text.n_prompt_tokens, text.n_new_tokens, text.finish) == (ids.shape[1], 24, "length")


def test_a_streamed_model_writes_what_the_same_model_in_memory_writes(folder: Path) -> None:
    from local_models.streaming.load_streamed import load_streamed

    streamed = written(make_engine(folder, load_streamed(folder)))
    assert streamed.text == written(make_engine(folder, load_whole(folder, "bfloat16"))).text
    assert streamed.details["bytes_read"] > 0


def test_the_prompt_passes_in_chunks_and_the_head_sees_one_row(folder: Path) -> None:
    model = load_whole(folder)
    rows: dict[str, list[int]] = {"layer": [], "head": []}
    watch = {"layer": model.model.layers[0].mlp, "head": model.lm_head}
    for name, module in watch.items():
        module.register_forward_pre_hook(lambda _module, args, name=name: rows[name].append(args[0].shape[1]))
    text = written(make_engine(folder, model, draft_tokens=0), PROMPT, Sampling(2))
    assert max(rows["layer"]) == 32 < text.n_prompt_tokens
    assert rows["head"] == [1, 1]


@pytest.mark.parametrize("chunk_tokens", [64, 256, 300])
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_prompt_in_chunks_scores_what_it_does_in_one(
    folder: Path, tmp_path: Path, chunk_tokens: int, on_disk: bool
) -> None:
    model = load_whole(folder, "bfloat16")
    ids = torch.randint(3, 500, (1, 1100), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = model(ids, logits_to_keep=1).logits[0].float()
    with DiskCache(
        kv_shape(model.config, model.dtype), 1100, folder=tmp_path, memory_bytes=0 if on_disk else None
    ) as kv:
        scores = prefill(model, ids, kv, chunk_tokens, Tally())
    torch.testing.assert_close(scores, whole, rtol=0, atol=0.1)
    if torch.backends.cpu.get_cpu_capability() == "AVX512":  # elsewhere sums may be made in another order
        assert torch.equal(scores, whole)


def test_pieces_together_are_the_text(engine: Any) -> None:
    pieces, text = pieces_of(engine)
    assert "".join(pieces) == text.text
    assert len(pieces) > 5
    assert 0 < text.seconds_to_first <= text.seconds
    assert 0 < text.details["seconds_prefill"] <= text.seconds_to_first


def test_drafts_save_passes_and_change_nothing(looping: Any) -> None:
    without, drafted = written(looping(draft_tokens=0), "x", LONG), written(looping(), "x", LONG)
    assert drafted.text == without.text
    assert drafted.details["accepted"] > 20
    assert drafted.details["passes"] <= without.details["passes"] - drafted.details["accepted"] + 1


def test_drafts_change_nothing_where_keys_and_values_are_on_disk(looping: Any, tmp_path: Path) -> None:
    on_disk = written(looping(kv_folder=tmp_path, kv_memory_bytes=0), "x", LONG)
    assert on_disk.text == written(looping(draft_tokens=0), "x", LONG).text
    assert on_disk.details["accepted"] > 20
    assert on_disk.details["kv_bytes_read"] > 0


def test_a_seed_repeats_a_text_with_and_without_drafts(looping: Any) -> None:
    drawn = Sampling(60, temperature=0.5, seed=7)
    text = written(looping(), "x", drawn)
    assert text.text == written(looping(draft_tokens=0), "x", drawn).text
    assert text.text != written(looping(), "x", Sampling(60, temperature=0.5, seed=8)).text


def test_the_smallest_nucleus_is_the_likeliest_token(engine: Any) -> None:
    assert written(engine, PROMPT, Sampling(24, temperature=1.0, top_p=1e-9)).text == written(engine).text


def test_a_models_own_settings_do_not_change_what_was_asked(folder: Path, engine: Any) -> None:
    from transformers import GenerationConfig

    own = dict(do_sample=True, temperature=0.7, top_p=0.95, repetition_penalty=3.0, no_repeat_ngram_size=2)
    model = load_whole(folder)
    model.generation_config = GenerationConfig(**own, eos_token_id=1)
    stubborn = make_engine(folder, model)
    for sampling in (LONG, Sampling(24, temperature=1.0, seed=1)):
        assert written(stubborn, "x", sampling).text == written(engine, "x", sampling).text
    assert stubborn.generate_batch(["x"], GREEDY)[0].text == written(engine, "x", GREEDY).text
    assert model.generation_config.repetition_penalty == 3.0


def test_sampling_leaves_torchs_own_random_state_alone(engine: Any) -> None:
    before = torch.get_rng_state()
    written(engine, "x", Sampling(4, temperature=1.0, seed=1))
    engine.generate_batch(["x"], Sampling(4, temperature=1.0, seed=1))
    assert torch.equal(before, torch.get_rng_state())


def test_a_stop_string_ends_the_text_and_no_piece_holds_a_part_of_it(engine: Any) -> None:
    whole = written(engine).text
    stop = whole[9:14]
    pieces, text = pieces_of(engine, PROMPT, Sampling(24, stop=("never", stop)))
    assert text.text == "".join(pieces) == whole[: whole.index(stop)]
    assert text.finish == "stop"


def test_an_end_token_ends_the_text_and_is_left_out(engine: Any, model: Any) -> None:
    ids = torch.tensor([engine.tokenizer.encode(PROMPT, special=True)])
    tokens = model.generate(ids, max_new_tokens=24, do_sample=False)[0, ids.shape[1] :].tolist()
    engine.tokenizer.eos_ids = (*engine.tokenizer.eos_ids, tokens[5])
    text = written(engine)
    n = tokens.index(tokens[5])
    assert (text.text, text.n_new_tokens, text.finish) == (engine.tokenizer.decode(tokens[:n]), n, "stop")


def test_a_closed_text_leaves_the_engine_usable(engine: Any) -> None:
    writing = engine.generate(PROMPT, GREEDY)
    first = next(writing)
    writing.close()
    assert written(engine).text.startswith(first)


def test_an_interrupt_leaves_the_engine_usable(engine: Any) -> None:
    writing = engine.generate(PROMPT, GREEDY)
    next(writing)
    with pytest.raises(KeyboardInterrupt):
        writing.throw(KeyboardInterrupt())
    assert written(engine).finish == "length"


def test_an_interrupt_inside_a_layer_leaves_the_engine_usable(folder: Path) -> None:
    model = load_whole(folder)
    engine = make_engine(folder, model)
    expected = written(engine).text

    def interrupt(*_args: object) -> None:
        hook.remove()
        raise KeyboardInterrupt

    hook = model.model.layers[2].register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        written(engine)
    assert written(engine).text == expected


def test_a_second_thread_waits_for_its_turn(engine: Any) -> None:
    writing = engine.generate(PROMPT, GREEDY)
    next(writing)
    texts: list[str] = []
    other = threading.Thread(target=lambda: texts.append(written(engine).text))
    other.start()
    other.join(0.2)
    assert texts == []
    writing.close()
    other.join()
    assert texts == [written(engine).text]


def test_a_second_text_in_one_thread_is_refused_rather_than_waited_for(engine: Any) -> None:
    writing = engine.generate(PROMPT, GREEDY)
    next(writing)
    with pytest.raises(GenerationFailed, match="is writing another text in this thread"):
        written(engine)
    writing.close()
    assert written(engine).text


def test_a_prompt_that_fills_the_context_is_refused_with_the_numbers(engine: Any) -> None:
    engine.context_length = 50
    n = len(engine.tokenizer.encode(PROMPT, special=True))
    with pytest.raises(ModelTooLarge, match=f"the prompt has {n} tokens; .* reads 50"):
        written(engine)


def test_a_text_ends_where_the_context_does(engine: Any) -> None:
    engine.context_length = len(engine.tokenizer.encode(PROMPT, special=True)) + 3
    text = written(engine)
    assert (text.n_new_tokens, text.finish) == (3, "length")


def test_an_empty_prompt_is_written_on(engine: Any) -> None:
    assert written(engine, "", Sampling(3)).n_new_tokens == 3


def test_an_error_of_torch_is_named_and_leaves_the_engine_usable(folder: Path) -> None:
    model = load_whole(folder)
    engine = make_engine(folder, model)
    weight, model.lm_head.weight = model.lm_head.weight, torch.nn.Parameter(torch.zeros(3, 3))
    with pytest.raises(GenerationFailed, match="could not go on"):
        written(engine)
    model.lm_head.weight = weight
    assert written(engine).text


def test_a_closed_engine_says_so(engine: Any) -> None:
    engine.close()
    with pytest.raises(ModelUnavailable, match="was closed"):
        written(engine)


# --- batches ------------------------------------------------------------------------------------

PROMPTS = [PROMPT, "x", "the quick brown fox jumps over the lazy dog"]


def test_a_batch_writes_what_its_prompts_give_one_by_one(engine: Any) -> None:
    texts = engine.generate_batch(PROMPTS, GREEDY)
    singles = [written(engine, prompt) for prompt in PROMPTS]
    assert [text.text for text in texts] == [text.text for text in singles]
    assert [text.n_prompt_tokens for text in texts] == [text.n_prompt_tokens for text in singles]


def test_a_batch_with_keys_and_values_on_disk_writes_the_same(folder: Path, model: Any, tmp_path: Path) -> None:
    on_disk = make_engine(folder, model, kv_folder=tmp_path, kv_memory_bytes=0).generate_batch(PROMPTS, GREEDY)
    assert [t.text for t in on_disk] == [t.text for t in make_engine(folder, model).generate_batch(PROMPTS, GREEDY)]
    assert on_disk[0].details["kv_bytes_read"] > 0


def test_each_text_of_a_batch_ends_by_itself(engine: Any) -> None:
    whole = engine.generate_batch(PROMPTS, GREEDY)
    stop = whole[1].text[4:8]
    texts = engine.generate_batch(PROMPTS, Sampling(24, stop=(stop,)))
    assert texts[1].finish == "stop"
    assert texts[1].text == whole[1].text[: whole[1].text.index(stop)]
    assert [text.text for text in texts if text.finish == "length"] == [
        text.text for text in whole if stop not in text.text
    ]


def test_a_batch_reads_the_weights_once_for_all(folder: Path) -> None:
    from local_models.streaming.load_streamed import load_streamed

    engine = make_engine(folder, load_streamed(folder, ring_bytes=2**16, block_bytes=2**14), draft_tokens=0)
    one = engine.generate_batch(["x"], Sampling(6))[0].details["bytes_read"]
    three = engine.generate_batch(["x", "y", "z"], Sampling(6))[0].details["bytes_read"]
    assert three < 1.2 * one


def test_a_sampled_batch_is_repeated_by_its_seed(engine: Any) -> None:
    drawn = Sampling(8, temperature=1.0, seed=5)
    first, second = engine.generate_batch(PROMPTS, drawn), engine.generate_batch(PROMPTS, drawn)
    assert [text.text for text in first] == [text.text for text in second]


def test_an_empty_batch_is_empty(engine: Any) -> None:
    assert engine.generate_batch([], GREEDY) == []
