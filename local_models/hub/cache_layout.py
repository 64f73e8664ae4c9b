"""Where the files of a model are in the cache that Hugging Face's libraries share.

::

    models--org--name/blobs/SHA256            the bytes; .part while they arrive
                      snapshots/COMMIT/NAME   links to the blobs
                      refs/main               the commit that a branch stood at
                      qrag/COMMIT.json        what the hub announced: names, sizes, checksums
    .locks/models--org--name/SHA256.lock      held by whoever fetches that blob
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from local_models.checkpoint.model_safety import is_plain_name
from local_models.durable import write_whole
from local_models.errors import ModelError, NotFound
from local_models.interface.messages import _

_NAME = re.compile(r"\w[\w.\-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[\w][\w.\-/]{0,254}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the hub announces it. digest: SHA-256, or git's SHA-1 of a small file; both name its blob."""

    name: str
    n_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a model consists of at one commit."""

    model: str
    commit: str
    files: tuple[RemoteFile, ...]

    def file(self, name: str) -> RemoteFile:
        """The file of that name. Raises NotFound."""
        for each in self.files:
            if each.name == name:
                return each
        raise NotFound(_("{model} has no file {name}").format(model=self.model, name=name))


@dataclass(frozen=True, slots=True)
class Repository:
    """The folder of one model in the cache."""

    cache: Path
    model: str

    def __post_init__(self) -> None:
        """Refuse names that would leave the cache."""
        check_model_name(self.model)

    @property
    def folder(self) -> Path:
        """All that there is of the model."""
        return self.cache / ("models--" + self.model.replace("/", "--"))

    def blob(self, file: RemoteFile) -> Path:
        """Where the bytes of a file are once they are whole."""
        return self.folder / "blobs" / file.digest

    def lock(self, file: RemoteFile) -> Path:
        """The lock file that other libraries take too."""
        return self.cache / ".locks" / self.folder.name / f"{file.digest}.lock"

    def snapshot(self, commit: str) -> Path:
        """The model as a folder, as it was at a commit."""
        return self.folder / "snapshots" / commit

    def commit_of(self, revision: str) -> str | None:
        """The commit that a branch, tag or commit stands for in the cache; for main, the only one that is there."""
        if re.fullmatch("[0-9a-f]{40}", revision):
            return revision
        with suppress(OSError, UnicodeDecodeError):
            found = (self.folder / "refs" / check_revision(revision)).read_text("ascii").strip()
            return found if re.fullmatch("[0-9a-f]{40}", found) else None
        only = [path.name for path in self.folder.glob("snapshots/*") if re.fullmatch("[0-9a-f]{40}", path.name)]
        return only[0] if revision == "main" and len(only) == 1 else None

    def there(self, commit: str, file: RemoteFile) -> Path:
        """Where the bytes of a file are: its blob, or, without links, the file in the snapshot."""
        blob, placed = self.blob(file), self.snapshot(commit) / file.name
        return placed if not blob.is_file() and placed.is_file() else blob

    def has(self, commit: str, file: RemoteFile) -> bool:
        """True where a file is there at its size."""
        return size_of(self.there(commit, file)) == file.n_bytes

    def write_listing(self, listing: Listing, files: Iterable[RemoteFile]) -> None:
        """Keep what the hub announced of the files that are wanted, beside those that were wanted before."""
        before = self.listing(listing.commit)
        known = {file.name: file for file in (*(before.files if before else ()), *files)}
        listing = replace(listing, files=tuple(known.values()))
        path = self.folder / "qrag" / f"{listing.commit}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(listing)).encode())

    def listing(self, commit: str) -> Listing | None:
        """What the hub announced of the files that are wanted of a commit; None where we did not fetch it."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads((self.folder / "qrag" / f"{commit}.json").read_text("utf-8"))
            files = tuple(RemoteFile(str(f["name"]), int(f["n_bytes"]), str(f["digest"])) for f in found["files"])
            if all(is_plain_name(f.name) and is_digest(f.digest) for f in files):
                return Listing(self.model, commit, files)
        return None

    def listings(self) -> Iterator[Listing]:
        """What the hub announced of every commit that was fetched or begun."""
        for path in sorted(self.folder.glob("qrag/*.json")):
            if (listing := self.listing(path.stem)) is not None:
                yield listing


def find(model: str, cache: Path, revision: str = "main") -> Path:
    """The folder of a model that is in the cache; nothing is fetched.

    Raises NotFound where it is not there or not yet whole.
    """
    repository = Repository(cache, model)
    commit = repository.commit_of(revision)
    folder = repository.snapshot(commit) if commit else None
    if folder is None or not any(path.is_file() for path in (folder / "config.json", *folder.glob("*.gguf"))):
        raise NotFound(
            _("the model {model} is not in {cache}").format(model=model, cache=cache),
            hint=_("qrag model download {model}").format(model=model),
        )
    return folder


def repository_of(folder: Path) -> tuple[Repository, str] | None:
    """The repository and commit that a folder is the snapshot of; None for a folder of another kind."""
    place = folder.absolute()
    owner = place.parent.parent
    if place.parent.name != "snapshots" or not owner.name.startswith("models--"):
        return None
    with suppress(ModelError):
        return Repository(owner.parent, owner.name.removeprefix("models--").replace("--", "/")), place.name
    return None


def check_model_name(model: str) -> None:
    """Return where a name is one that the hub gives. Raises ModelError."""
    parts = model.split("/")
    if len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts) or "--" in model or ".." in model:
        raise ModelError(
            _("{model} is no name of a model on the hub").format(model=model[:200]),
            hint=_("a name is organisation/model, such as deepseek-ai/deepseek-llm-7b-chat"),
        )


def check_revision(revision: str) -> str:
    """The revision, where it can be a branch, tag or commit. Raises ModelError."""
    if not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision:
        raise ModelError(_("{revision} is no branch, tag or commit").format(revision=revision))
    return revision


def is_digest(text: str) -> bool:
    """True for a SHA-256 or git's SHA-1, as the hub writes them."""
    return bool(re.fullmatch("[0-9a-f]{64}|[0-9a-f]{40}", text))


def size_of(path: Path) -> int:
    """Bytes of a file, -1 where it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
