"""`qrag model plan`: a table for people, JSON for programs, and an exit code for what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shape_7b import LINEAR_BYTES, make_7b
from tiny_llm import make_tiny_llm

from qrag_lib import errors
from qrag_lib.cli import main
from qrag_lib.cli.exits import Exit, exit_of
from qrag_lib.cli.model import VERBS
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def deepseek(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_7b(tmp_path_factory.mktemp("shape") / "deepseek"))


def test_a_plan_reads_well_on_a_terminal(deepseek: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["model", "plan", deepseek, "--memory", "512", "--bandwidth", "1400"])
    out = capsys.readouterr().out
    assert code == Exit.DONE
    assert "memory at the peak            512 MiB" in out
    assert "speed of the disk             1,400 MB/s" in out
    assert "a new token takes at least    10.0 s" in out


def test_a_plan_is_json_for_programs(deepseek: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["model", "plan", deepseek, "--memory", "4096", "--bandwidth", "1000", "--context", "64", "--json"])
    plan = json.loads(capsys.readouterr().out)
    assert (code, plan["mode"], plan["context"]) == (Exit.DONE, "partial", 64)
    assert plan["resident_bytes"] + plan["streamed_bytes"] == LINEAR_BYTES
    assert plan["seconds_per_token"] == pytest.approx(plan["bytes_per_token"] / 1e9)


def test_a_model_that_does_not_fit_has_its_own_exit_code(deepseek: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["model", "plan", deepseek, "--memory", "300"])
    assert (code, "refused: deepseek needs 451 MiB of memory" in capsys.readouterr().out) == (Exit.TOO_LARGE, True)
    assert exit_of(errors.ModelTooLarge("x")) == Exit.TOO_LARGE


@pytest.mark.parametrize("option", ["memory", "context", "bandwidth"])
def test_numbers_that_mean_nothing_are_a_usage_error(
    option: str, deepseek: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["model", "plan", deepseek, f"--{option}", "0"])
    assert (code, f"{option} is 0" in capsys.readouterr().err) == (Exit.USAGE, True)


def test_without_a_model_the_next_step_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["model", "plan"])
    err = capsys.readouterr().err
    assert code == Exit.NOT_FOUND
    assert "qrag: there is no language model in workspace/models_cache\n→ qrag model download" in err


def test_help_lists_every_verb_of_models(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["model", "--help"])
    out = capsys.readouterr().out
    assert all(f"\n    {verb} " in out for verb in VERBS)


def test_a_verb_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["model", "frobnicate"])
    assert left.value.code == Exit.USAGE
    assert (
        capsys.readouterr().err
        == "qrag: there is no command frobnicate\n→ qrag model --help lists what can be written\n"
    )


def test_a_workspace_plans_with_its_own_settings(deepseek: str, tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path / "w", model=f"offload:{deepseek}", model_memory_mib=512.0)
    with Workspace.open(tmp_path / "w", settings=settings) as workspace:
        plan = workspace.plan_model(measure=False)
    assert (plan.mode, plan.model) == ("streamed", deepseek)


def test_quantize_makes_a_copy_that_auto_finds_and_says_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = make_tiny_llm(tmp_path / "tiny")
    code = main(["model", "quantize", str(tiny), "--drift", "2", "--json"])
    told = json.loads(capsys.readouterr().out)
    copy = tmp_path / "workspace" / "models_cache" / "int8" / "tiny"
    assert (code, Path(told["folder"]).resolve()) == (Exit.DONE, copy)
    assert told["int8_bytes"] < 0.8 * told["weights_bytes"]
    assert 0 < told["drift"]["kl_mean"] < 0.5
    assert main(["model", "plan", "--memory", "4096", "--bandwidth", "1000"]) == Exit.DONE
    assert "int8/tiny" in capsys.readouterr().out


def test_a_gguf_file_is_not_quantized_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    assert main(["model", "quantize", str(tmp_path / "m.gguf")]) == Exit.ERROR
    assert "is a GGUF file" in capsys.readouterr().err
