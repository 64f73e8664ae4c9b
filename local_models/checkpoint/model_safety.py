"""What a folder with a language model must be before anything of it is loaded.

Refused is what could run code (Python files, `auto_map`, pickles), what lies about itself and what
leaves the folder. Weights in torch's `.bin` are taken once their checksum is known: from the hub,
or because a person ran `qrag model verify` on them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_models.checkpoint.checksum_record import is_verified
from local_models.checkpoint.structure import check_weights_file, refused
from local_models.checkpoint.weights import open_weights
from local_models.errors import ModelDamaged, ModelError, ModelRefused
from local_models.interface.messages import _, ngettext

# keys by which a configuration names code: CVE-2026-4372, CVE-2026-5241, CVE-2026-1839, CVE-2026-22807
CODE_KEYS = ("auto_map", "custom_pipelines", "trust_remote_code")
CODE_KEY_STARTS = ("_attn_implementation", "attn_implementation", "_experts_implementation", "experts_implementation")
CODE_ENDINGS = {".py", ".pyc", ".pyd", ".so", ".dll", ".dylib"}
PICKLE_ENDINGS = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".h5", ".keras"}
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
VOCABULARIES = ("tokenizer.json", "vocab.json", "added_tokens.json", *INDEXES)  # any word may stand in them
LARGEST_JSON = 64 * 2**20  # bytes; a tokenizer of 150,000 tokens takes 11 MB
LARGEST_CONFIG = 4 * 2**20
MOST_FILES = 10_000


def check_llm_folder(folder: Path) -> None:
    """Return where the model in a folder may be loaded.

    Raises ModelRefused for what could run code, lies about itself or leaves the folder; ModelDamaged for
    weights that are missing or short. Every byte of the weights is read only where a `.bin` comes from the
    hub's cache and was never verified.
    """
    if not folder.is_dir() or not (folder / "config.json").is_file():
        raise ModelError(
            _("{folder} is no folder of a language model: it has no config.json").format(folder=folder),
            hint=_("give a folder with config.json, a tokenizer and weights"),
        )
    for path in _files(folder):
        _check_file(folder, path)
    config = read_config(folder)
    if "transformers_weights" in config:  # transformers would load that file, and not those that are checked here
        raise refused(folder / "config.json", _("it names weights of its own"))
    if not isinstance(config.get("model_type"), str):
        raise refused(folder / "config.json", _("it does not name the model_type"))
    weights = weights_files(folder)
    if weights[0].suffix == ".bin":  # transformers looks for them in another order than ours
        weights = sorted({*weights, *folder.glob("pytorch_model*.bin")})
    for path in weights:
        check_weights_file(path)
        if path.suffix == ".bin" and not is_verified(folder, path):
            raise ModelRefused(
                _("{path} is a pickle whose checksum nobody verified").format(path=path),
                hint=_("if you trust where it comes from: qrag model verify {folder}").format(folder=folder),
            )
    open_weights(folder)  # the index and the shards agree, and the shards are all there


def read_config(folder: Path) -> dict[str, Any]:
    """The object in config.json. Raises ModelRefused where it is none."""
    return read_object(folder / "config.json", LARGEST_CONFIG)


def weights_files(folder: Path) -> list[Path]:
    """The files that hold the weights, in order: safetensors where there are any, else torch's .bin.

    Raises ModelRefused where the index names something outside the folder, ModelDamaged where there are none.
    """
    for index, stem, ending in zip(INDEXES, ("model", "pytorch_model"), (".safetensors", ".bin"), strict=True):
        if (folder / index).is_file():
            return [folder / name for name in index_names(folder / index, ending)]
        if (folder / (stem + ending)).is_file():
            return [folder / (stem + ending)]
        if numbered := sorted(folder.glob(f"{stem}-[0-9]*-of-[0-9]*{ending}")):
            return numbered
    raise ModelDamaged(
        _("{folder} has no weights").format(folder=folder),
        path=str(folder),
        hint=_("it needs model.safetensors or pytorch_model.bin, or shards of them"),
    )


def is_plain_name(name: str) -> bool:
    """True for a name that stays in its folder, on every system.

    >>> is_plain_name("model-00001-of-00002.safetensors"), is_plain_name("../x"), is_plain_name("a\\\\b")
    (True, False, False)
    """
    return name not in ("", ".", "..") and not set(name) & set('/\\:\0\n\r*?"<>|') and len(name.encode()) <= 255


def read_object(path: Path, limit: int = LARGEST_JSON) -> dict[str, Any]:
    """The JSON object in a file of at most `limit` bytes. Raises ModelRefused where there is none."""
    found = _read_json(path, limit)
    if not isinstance(found, dict):
        raise refused(path, _("it is no JSON object"))
    return found


def check_keys(path: Path) -> None:
    """Return where a configuration names no code of its own, at any depth. Raises ModelRefused."""
    waiting: list[Any] = [_read_json(path, LARGEST_CONFIG)]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            for key in each:
                if key in CODE_KEYS or key.startswith(CODE_KEY_STARTS):
                    raise refused(path, _("it asks for code of its own ({key})").format(key=key))
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()


def _read_json(path: Path, limit: int) -> Any:
    try:
        if path.stat().st_size > limit:
            raise refused(
                path, ngettext("it is larger than {n} byte", "it is larger than {n} bytes", limit).format(n=limit)
            )
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        message = _("{path} cannot be read: {error}").format(path=path, error=error.strerror)
        raise ModelDamaged(message, path=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise refused(path, _("it is no JSON: {error}").format(error=str(error)[:80])) from error


def index_names(index: Path, ending: str) -> list[str]:
    """The files that an index of weights names. Raises ModelRefused where one could be elsewhere."""
    placed = read_object(index).get("weight_map")
    if not isinstance(placed, dict) or not placed or not all(isinstance(name, str) for name in placed.values()):
        raise refused(index, _("it has no weight_map"))
    names = sorted(set(placed.values()))
    for name in names:
        if not is_plain_name(name) or not name.endswith(ending):
            raise refused(index, _("it names {name}").format(name=name[:80]))
    return names


def _files(folder: Path) -> Iterator[Path]:
    """Every file below the folder; what begins with a dot belongs to tools and is loaded by nobody."""
    n = 0
    for here, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in (*names, *(name for name in below if Path(here, name).is_symlink())):
            if (n := n + 1) > MOST_FILES:
                raise refused(
                    folder,
                    ngettext("it holds more than {n} file", "it holds more than {n} files", MOST_FILES).format(
                        n=MOST_FILES
                    ),
                )
            if not name.startswith("."):
                yield Path(here, name)


def _check_file(folder: Path, path: Path) -> None:
    if path.is_symlink():
        _check_link(folder, path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise refused(path, _("it is no file"))  # a pipe would be waited for without end
    if path.suffix.lower() in CODE_ENDINGS | PICKLE_ENDINGS:
        raise refused(path, _("it is code or a pickle, which can run code"))
    if path.suffix == ".bin" and not path.name.startswith("pytorch_model"):
        raise refused(path, _("only weights may be in torch's format"))
    if path.name == "adapter_config.json":
        raise refused(path, _("it sends the loader to another model"))
    if path.suffix == ".json" and path.name not in VOCABULARIES:
        check_keys(path)


def _check_link(folder: Path, path: Path) -> None:
    """A link may stay in the folder, or lead to the blobs of the hub's cache that the folder is a snapshot of."""
    target, root = path.resolve(), folder.resolve()
    blobs = root.parent.parent / "blobs" if root.parent.name == "snapshots" else root
    if not target.is_relative_to(root) and not (target.is_relative_to(blobs) and target.is_file()):
        raise refused(path, _("it leads out of the folder"))
