"""Names for what a file or folder holds, made without reading all of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

SAMPLES, SAMPLE_BYTES = 16, 4096
_DESCRIBING = ("config.json", "qrag_int8.json")


def fingerprint(place: Path) -> str:
    """A name for the weights in a folder or file: configuration, and each file's name, size, time and 16 samples.

    "" where they cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for path in sorted(place.iterdir()) if place.is_dir() else [place]:
            if path.name in _DESCRIBING or (path.suffix == ".json" and ".index" in path.name):
                digest.update(path.read_bytes())
            elif path.suffix in (".safetensors", ".bin") or path == place:
                _add(digest, path)
    except OSError:
        return ""
    return digest.hexdigest()


def _add(digest: hashlib._Hash, path: Path) -> None:
    state = path.stat()
    digest.update(f"{path.name} {state.st_size} {state.st_mtime_ns}".encode())
    with path.open("rb") as file:
        for i in range(SAMPLES):
            file.seek(state.st_size * i // SAMPLES)
            digest.update(file.read(SAMPLE_BYTES))
