"""Settings come from four places, the nearer wins, and a mistake is named with its place."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from local_models.interface.translations import interface_language, use_language
from qrag_lib import settings
from qrag_lib.cli.settings_table import sheet
from qrag_lib.errors import SettingsError
from qrag_lib.settings import Settings, load_settings, origins, quiet
from qrag_lib.show import dumps


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [*os.environ]:
        if name.startswith(("QRAG_", "LC_", "LANG")) or name in settings.ALIASES:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workspace").mkdir()
    return tmp_path


def written(folder: Path, text: str) -> None:
    (folder / "workspace" / "qrag.toml").write_text(text, "utf-8")


def test_defaults_hold_where_nothing_is_set() -> None:
    assert load_settings() == Settings()


def test_the_environment_wins_over_dotenv_and_that_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(folder, "top_k = 3\nchunk_size = 100\nchunk_overlap = 10\n")
    (folder / ".env").write_text("QRAG_TOP_K=4\nQRAG_CHUNK_SIZE=150\n")
    monkeypatch.setenv("QRAG_TOP_K", "6")
    found = load_settings()
    assert (found.top_k, found.chunk_size, found.chunk_overlap) == (6, 150, 10)


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_TOP_K", "6")
    assert load_settings(top_k=7).top_k == 7


def test_the_file_is_read_from_the_workspace_that_is_named(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "qrag.toml").write_text("top_k = 9\n")
    assert load_settings("other").top_k == 9
    assert load_settings("other").workspace == Path("other")


def test_each_value_knows_where_it_comes_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(folder, "top_k = 3\n")
    monkeypatch.setenv("EMBED_MODEL_NAME", "sentence-transformers/all-MiniLM-L6-v2")
    places = {origin.name: origin.place for origin in origins()}
    assert places == {"top_k": "workspace/qrag.toml: top_k", "embedding_model": "EMBED_MODEL_NAME"}


def test_the_name_with_our_prefix_wins_over_the_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_EMBEDDING_MODEL", "minilm")
    monkeypatch.setenv("EMBED_MODEL_NAME", "other")
    assert load_settings().embedding_model == "minilm"


def test_the_variables_of_the_descriptions_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "MODEL_PATH": "/models/mistral.gguf",
        "LLAMA_CPP_PATH": "/app/llama-simple",
        "LOW_CPU_MEM_USAGE": "false",
        "USE_SAFETENSORS": "true",
        "DEVICE_MAP": "cpu",
    }.items():
        monkeypatch.setenv(variable, value)
    found = load_settings()
    assert (found.model_path, found.llama_cpp_path) == (Path("/models/mistral.gguf"), Path("/app/llama-simple"))
    assert (found.low_cpu_mem_usage, found.use_safetensors, found.device_map) == (False, True, "cpu")


def test_a_device_map_that_is_not_known_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE_MAP", "balanced")
    with pytest.raises(SettingsError, match="DEVICE_MAP = 'balanced' cannot be used") as caught:
        load_settings()
    assert "'disk'" in str(caught.value.hint)


def test_folders_of_models_follow_the_workspace_unless_named() -> None:
    assert Settings().computed_folder == Path("workspace/models_cache/offload")
    named = Settings(models_cache=Path("/m"), offload_folder=Path("/o"))
    assert (named.models_folder, named.computed_folder) == (Path("/m"), Path("/o"))


def test_a_key_is_used_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sixteen-letters")
    shown = sheet()
    assert load_settings().openai_api_key == "sk-sixteen-letters"
    assert "sk-sixteen" not in str(shown) + repr(load_settings()) + dumps(shown)


def test_what_the_libraries_are_told_may_stand_in_dotenv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.QUIET:
        monkeypatch.delenv(name, raising=False)
    (folder / ".env").write_text("HF_HUB_DISABLE_SYMLINKS_WARNING=0\nDISABLE_TELEMETRY=1\n")
    quiet()
    assert os.environ["HF_HUB_DISABLE_SYMLINKS_WARNING"] == "0"
    assert os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] == os.environ["DISABLE_TELEMETRY"] == "1"


def test_sizes_in_characters_are_accepted(folder: Path) -> None:
    written(folder, 'chunk_size = 800\nchunk_overlap = 100\nchunk_unit = "characters"\n')
    found = load_settings()
    assert (found.chunk_size, found.chunk_overlap, found.chunk_unit) == (800, 100, "characters")


def test_an_unknown_name_in_the_file_lists_the_known_ones(folder: Path) -> None:
    written(folder, "topk = 3\n")
    with pytest.raises(SettingsError, match=r"qrag\.toml: topk is not a setting") as caught:
        load_settings()
    assert "top_k" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("variable", "guess"),
    [("QRAG_EMBEDING_MODEL", "QRAG_EMBEDDING_MODEL"), ("QRAG_WORKER_IDLE", "QRAG_WORKER_IDLE_S")],
)
def test_a_variable_nearly_right_is_guessed(
    variable: str, guess: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "3")
    with pytest.raises(SettingsError, match=f"{variable} is not a setting") as caught:
        load_settings()
    assert str(caught.value.hint).startswith(f"did you mean {guess}? qrag settings --markdown ")


def test_a_name_like_no_other_lists_the_settings(folder: Path) -> None:
    written(folder, "zzz = 3\n")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value.hint).startswith("the settings are: workspace, embedding_model, ")


@pytest.mark.parametrize("place", ["environment", "dotenv"])
def test_an_unknown_variable_of_ours_is_an_error(place: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if place == "environment":
        monkeypatch.setenv("QRAG_TOPK", "3")
    else:
        (folder / ".env").write_text("QRAG_TOPK=3\n")
    with pytest.raises(SettingsError, match="QRAG_TOPK is not a setting"):
        load_settings()


def test_variables_of_others_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("SECRET_KEY=x\nAPP_NAME=y\n")
    monkeypatch.setenv("QRAG_CI", "1")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [("top_k", 0, "greater than or equal to 1"), ("top_k", "many", "integer"), ("chunk_unit", "bytes", "tokens")],
)
def test_a_bad_value_is_named_with_its_limit(name: str, value: object, limit: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} = {value!r} cannot be used") as caught:
        load_settings(**{name: value})
    assert limit in str(caught.value.hint)


def test_an_overlap_as_large_as_the_chunk_is_refused() -> None:
    with pytest.raises(SettingsError, match="chunk_overlap 50 is not smaller than chunk_size 50"):
        load_settings(chunk_size=50, chunk_overlap=50)


def test_a_file_that_is_not_toml_is_named(folder: Path) -> None:
    written(folder, "top_k: 3\n")
    with pytest.raises(SettingsError, match=r"qrag\.toml cannot be read as TOML"):
        load_settings()


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "pt_BR.UTF-8"}, "pt_BR"),
        ({"LANG": "pt_BR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "pt_PT"}, "pt_BR"),
        ({"LANG": "en_US.UTF-8", "QRAG_LANG": "pt"}, "pt_BR"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
    ],
)
def test_the_interface_speaks_the_language_of_the_environment(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert interface_language() == language


def test_a_language_can_be_chosen_for_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")
    use_language("pt")
    assert interface_language() == "pt_BR"


@pytest.mark.parametrize("written_as", ["pt", "pt_BR", "pt-br"])
def test_portuguese_may_be_written_short(written_as: str) -> None:
    assert load_settings(lang=written_as).lang == "pt_BR"


def test_quiet_switches_calls_home_off_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.QUIET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    quiet()
    assert os.environ["HF_HUB_OFFLINE"] == "0"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert any(Path(os.environ["TIKTOKEN_CACHE_DIR"]).iterdir())


def test_no_other_module_reads_the_environment() -> None:
    """A library that obeys a variable may have its default set where it is loaded; nothing else is allowed."""
    package = Path(settings.__file__).parent
    for path in package.rglob("*.py"):
        found = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)]
        defaults = {id(node.value) for node in found if node.attr == "setdefault"}
        reads = [node for node in found if node.attr in ("environ", "getenv") and id(node) not in defaults]
        assert path.name == "settings.py" or not reads, path
