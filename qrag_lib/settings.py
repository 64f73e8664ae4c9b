"""Settings: environment, `.env`, the workspace's `qrag.toml`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from local_models.configuration import Configuration, DeviceMap
from local_models.interface import suggest
from local_models.interface.translations import Language
from qrag_lib.errors import SettingsError
from qrag_lib.i18n import N_, _

EXTRACTIVE = "extractive:"
PREFIX = "QRAG_"
FILE = "qrag.toml"
ALIASES = {
    "EMBED_MODEL_NAME": "embedding_model",
    "MODEL_PATH": "model_path",
    "LLAMA_CPP_PATH": "llama_cpp_path",
    "OPENAI_API_KEY": "openai_api_key",
    "LOW_CPU_MEM_USAGE": "low_cpu_mem_usage",
    "USE_SAFETENSORS": "use_safetensors",
    "DEVICE_MAP": "device_map",
}
NOT_SETTINGS = ("QRAG_CI", "QRAG_TEST_")
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # else transformers asks a server to convert a .bin checkpoint
    "HF_HUB_DISABLE_EXPERIMENTAL_WARNING": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_SYMLINKS_WARNING": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

WorkerUse = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a setting is, and the limits of its value as pydantic names them. secret: never shown."""

    text: str
    limits: Mapping[str, Any] = field(default_factory=dict)
    secret: bool = False


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be set. The environment wins over `.env`, that over `qrag.toml`, that over these defaults.

    >>> Settings(top_k=8).top_k
    8
    """

    workspace: Annotated[Path, Meaning(N_("folder of the workspace"))] = Path("workspace")
    embedding_model: Annotated[
        str,
        Meaning(N_("embedding model: auto (by the languages of the texts), minilm, e5-pt-en, a folder or a hub name")),
    ] = "auto"
    embedding_query_prefix: Annotated[str, Meaning(N_("text put before each question that is embedded"))] = ""
    embedding_passage_prefix: Annotated[str, Meaning(N_("text put before each passage that is embedded"))] = ""
    chunk_size: Annotated[int, Meaning(N_("longest chunk, in chunk units"), {"ge": 8})] = 200
    chunk_overlap: Annotated[int, Meaning(N_("what a chunk repeats of the one before it"), {"ge": 0})] = 40
    chunk_unit: Annotated[Literal["tokens", "characters"], Meaning(N_("tokens or characters"))] = "tokens"
    top_k: Annotated[int, Meaning(N_("passages that a search returns"), {"ge": 1, "le": 1000})] = 5
    refusal_threshold: Annotated[
        float | None,
        Meaning(
            N_("confidence below which no answer is given; unset: as measured for the answerer"), {"ge": 0, "le": 1}
        ),
    ] = None
    reader: Annotated[
        Literal["auto", "none"],
        Meaning(N_("what finds the answer in a passage: auto, the packaged reader; none, the words in common")),
    ] = "auto"
    max_file_mib: Annotated[float, Meaning(N_("largest file that is read, in MiB"), {"gt": 0})] = 100.0
    max_read_s: Annotated[float, Meaning(N_("longest reading of one file, in seconds"), {"gt": 0})] = 20.0
    max_read_mib: Annotated[float, Meaning(N_("memory that reading one file may take, in MiB"), {"gt": 0})] = 500.0
    model: Annotated[
        str, Meaning(N_("language model: auto:, extractive:, offload:, gguf: or openai: and its place"))
    ] = "auto:"
    model_path: Annotated[
        Path | None, Meaning(N_("GGUF file or model folder that auto: takes; unset: what models_cache holds"))
    ] = None
    llama_cpp_path: Annotated[
        Path | None, Meaning(N_("llama.cpp program for gguf:; unset: the package llama-cpp-python"))
    ] = None
    openai_url: Annotated[str, Meaning(N_("OpenAI-compatible server that auto: takes, such as http://host/v1"))] = ""
    openai_api_key: Annotated[str, Meaning(N_("key that an OpenAI-compatible server is sent"), secret=True)] = field(
        default="", repr=False
    )
    models_cache: Annotated[
        Path | None, Meaning(N_("folder of the downloaded models; unset: models_cache in the workspace"))
    ] = None
    offload_folder: Annotated[
        Path | None, Meaning(N_("folder of what a model computes beyond memory; unset: offload in models_cache"))
    ] = None
    model_memory_mib: Annotated[
        float | None, Meaning(N_("memory that a model may take, in MiB; unset: what is free"), {"gt": 0})
    ] = None
    model_context: Annotated[
        int, Meaning(N_("tokens of prompt and answer together that memory is planned for"), {"ge": 16})
    ] = 2048
    low_cpu_mem_usage: Annotated[
        bool, Meaning(N_("a model larger than the memory is read from disk as it computes; false: it is refused"))
    ] = True
    use_safetensors: Annotated[
        bool, Meaning(N_("of a model in both forms take the safetensors; one that has only .bin is read from that"))
    ] = True
    device_map: Annotated[
        DeviceMap, Meaning(N_("auto: as planned; cpu: no GPU; cuda: a GPU or nothing; disk: hold no weights in memory"))
    ] = "auto"
    min_free_disk_gib: Annotated[
        float, Meaning(N_("disk that must be free before a model is downloaded, in GiB"), {"ge": 0})
    ] = 10.0
    prefix_cache_mib: Annotated[
        float, Meaning(N_("disk for prompts already computed, in MiB; 0: none is kept"), {"ge": 0})
    ] = 4096.0
    worker_idle_s: Annotated[
        float, Meaning(N_("seconds after which a model that nobody asks leaves the memory"), {"gt": 0})
    ] = 600.0
    worker: Annotated[
        WorkerUse,
        Meaning(
            N_("embedding model in a process that stays; auto: for questions at the prompt and where memory is short")
        ),
    ] = "auto"
    lang: Annotated[Language | None, Meaning(N_("language of the interface: en or pt_BR; unset: the locale"))] = None

    @property
    def engine(self) -> Configuration:
        """What of this concerns models; `auto:` is quotes where there is none."""
        same = {each.name: getattr(self, each.name) for each in fields(Configuration) if hasattr(self, each.name)}
        return Configuration(**same, otherwise=EXTRACTIVE)

    @property
    def models_folder(self) -> Path:
        """Where downloaded models are."""
        return self.models_cache or self.workspace / "models_cache"

    @property
    def computed_folder(self) -> Path:
        """Where a model keeps what it computed: its attention over long texts, prompts that come again."""
        return self.offload_folder or self.models_folder / "offload"


@dataclass(frozen=True, slots=True)
class Origin:
    """One value as it was found. place: `QRAG_TOP_K`, `.env: QRAG_TOP_K`, `qrag.toml: top_k`."""

    name: str
    value: object
    place: str


def quiet() -> None:
    """Switch off telemetry, calls home and downloads, unless the environment or `.env` says otherwise."""
    written = _dotenv_values(Path(".env"))
    for name, value in QUIET.items():
        os.environ.setdefault(name, written.get(name) or value)
    package = find_spec("llama_index")
    for folder in package.submodule_search_locations or () if package else ():
        cache = Path(folder, "core", "_static", "tiktoken_cache")
        if cache.is_dir():
            os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(cache))


def wants_style() -> bool:
    """False where the environment asks for plain text: NO_COLOR, as no-color.org has it, or a terminal that is dumb."""
    return "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def load_settings(workspace: str | Path | None = None, **overrides: object) -> Settings:
    """The settings that hold here. `workspace` and `overrides` win over every other place.

    Raises SettingsError for a name that is not known or a value that cannot be used.
    """
    found = {o.name: o for o in origins(workspace)}
    given = {"workspace": workspace, **overrides} if workspace is not None else overrides
    found |= {name: Origin(name, value, name) for name, value in given.items()}
    for origin in found.values():
        _check_name(origin)
    return _validated(found)


def origins(workspace: str | Path | None = None) -> Iterator[Origin]:
    """Every value that some place sets, weakest place first."""
    outer = [*_dotenv(Path(".env")), *_environment(os.environ, "")]
    named = {o.name: o.value for o in outer}
    folder = Path(str(workspace or named.get("workspace") or Settings.workspace))
    yield from _file(folder / FILE)
    yield from outer


def secrets() -> frozenset[str]:
    """The names of the settings whose values are never shown."""
    return frozenset(name for name, (_kind, meaning) in _typed().items() if meaning.secret)


def known() -> tuple[str, ...]:
    """The names of all settings."""
    return tuple(f.name for f in fields(Settings))


def described() -> Iterator[tuple[str, str, str]]:
    """(name, environment variables, what it is) of each setting, the last in the interface language."""
    also = {name: f", {variable}" for variable, name in ALIASES.items()}
    for name, (_kind, meaning) in _typed().items():
        yield name, PREFIX + name.upper() + also.get(name, ""), _(meaning.text)


def _environment(variables: Mapping[str, str | None], place: str) -> Iterator[Origin]:
    for variable, value in variables.items():
        name = ALIASES.get(variable) or variable.removeprefix(PREFIX).lower()
        ours = variable in ALIASES or (variable.startswith(PREFIX) and not variable.startswith(NOT_SETTINGS))
        shadowed = variable in ALIASES and PREFIX + name.upper() in variables
        if ours and value and not shadowed:
            yield Origin(name, value, place + variable)


def _dotenv(path: Path) -> Iterator[Origin]:
    yield from _environment(_dotenv_values(path), f"{path}: ")


def _dotenv_values(path: Path) -> Mapping[str, str | None]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return dotenv_values(path)


def _file(path: Path) -> Iterator[Origin]:
    import tomllib

    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        message = _("{path} cannot be read as TOML: {error}").format(path=path, error=error)
        raise SettingsError(message, hint=_("one line each: name = value, text in quotes")) from error
    yield from (Origin(name, value, f"{path}: {name}") for name, value in values.items())


def _check_name(origin: Origin) -> None:
    if origin.name in known():
        return
    written = origin.place.rpartition(": ")[2]
    names = [PREFIX + name.upper() for name in known()] if written.startswith(PREFIX) else known()
    if meant := suggest.meant(written, names):
        hint = f"{meant} {_('qrag settings --markdown lists them all')}"
    else:
        hint = _("the settings are: {names}").format(names=", ".join(known()))
    raise SettingsError(_("{place} is not a setting").format(place=origin.place), hint=hint)


@lru_cache(maxsize=1)
def _typed() -> dict[str, tuple[Any, Meaning]]:
    hints = get_type_hints(Settings, include_extras=True)
    return {name: (get_args(hint)[0], get_args(hint)[1]) for name, hint in hints.items()}


@lru_cache(maxsize=1)
def _model() -> Any:
    from pydantic import ConfigDict, Field, create_model

    columns: dict[str, Any] = {
        name: (kind, Field(getattr(Settings, name), **meaning.limits)) for name, (kind, meaning) in _typed().items()
    }
    return create_model("Settings", __config__=ConfigDict(extra="forbid", protected_namespaces=()), **columns)


def _validated(found: Mapping[str, Origin]) -> Settings:
    from pydantic import ValidationError

    values = {name: origin.value for name, origin in found.items()}
    if str(values.get("lang")).lower() in ("pt", "pt-br", "pt_br"):
        values["lang"] = "pt_BR"
    try:
        settings = Settings(**_model()(**values).model_dump())
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        message = _("{place} = {value!r} cannot be used").format(place=found[name].place, value=found[name].value)
        raise SettingsError(message, hint=f"{_(_typed()[name][1].text)}: {first['msg']}") from error
    if settings.chunk_overlap >= settings.chunk_size:
        message = _("chunk_overlap {overlap} is not smaller than chunk_size {size}").format(
            overlap=settings.chunk_overlap, size=settings.chunk_size
        )
        raise SettingsError(message, hint=_("a fifth of chunk_size is a good overlap"))
    return settings
