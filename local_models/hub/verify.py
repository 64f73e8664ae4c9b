"""Whether a model's files are whole and hold the bytes that they should; the broken ones fetched again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile, ZipFile

from local_models.checkpoint.checksum_record import BLOCK, add_to_record, is_unchanged, read_record
from local_models.checkpoint.model_safety import INDEXES, weights_files
from local_models.checkpoint.structure import check_weights_file
from local_models.errors import ModelDamaged, ModelError, ModelRefused, NotFound
from local_models.hub.blobs import Way, fetch_blob, new_digest, publish
from local_models.hub.cache_layout import RemoteFile, is_digest, repository_of, size_of
from local_models.hub.download import Counter
from local_models.hub.files import SMALL
from local_models.hub.hub_client import Hub
from local_models.interface.blocks import panel_html, table_html, table_text
from local_models.interface.job_progress import Progress, quiet
from local_models.interface.messages import N_, _, ngettext
from local_models.interface.number_format import size

State = Literal["good", "missing", "size", "structure", "bytes", "unread"]
SAID: dict[State, str] = {
    "good": N_("good"),
    "missing": N_("missing"),
    "size": N_("of the wrong size"),
    "structure": N_("broken inside"),
    "bytes": N_("other bytes than announced"),
    "unread": N_("as it was when it was verified"),
}


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What was found of one file. sha256: of its bytes, "" where they were not read; reason: more, in words."""

    name: str
    n_bytes: int
    state: State
    sha256: str = ""
    reason: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing speaks against the file."""
        return self.state in ("good", "unread")


@dataclass(frozen=True)
class Verification:
    """What was found of a model's files. recorded: their checksums are noted, so that .bin files may be loaded."""

    folder: Path
    files: tuple[FileCheck, ...]
    recorded: bool

    @property
    def healthy(self) -> bool:
        """Whether every file is good."""
        return all(file.good for file in self.files)

    @property
    def broken(self) -> tuple[FileCheck, ...]:
        """The files that are not."""
        return tuple(file for file in self.files if not file.good)

    def _title(self) -> str:
        if self.healthy:
            return ngettext(
                "{folder}: its {n} file is good", "{folder}: all {n} files are good", len(self.files)
            ).format(folder=self.folder, n=len(self.files))
        return ngettext(
            "{folder}: {bad} of {n} file is broken; qrag model repair fetches it again",
            "{folder}: {bad} of {n} files are broken; qrag model repair fetches them again",
            len(self.files),
        ).format(folder=self.folder, bad=len(self.broken), n=len(self.files))

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [(f.name, size(max(0, f.n_bytes)), f.reason or _(SAID[f.state]), f.sha256[:12]) for f in self.files]

    def __str__(self) -> str:
        return f"{self._title()}\n{table_text([_('file'), _('size'), _('state'), 'SHA-256'], self._rows())}"

    def _repr_html_(self) -> str:
        table = table_html([_("file"), _("size"), _("state"), "SHA-256"], self._rows())
        return panel_html(self._title(), table, calm=self.healthy)._repr_html_()


def verify(folder: Path, *, deep: bool = True, anew: bool = False, tell: Progress = quiet) -> Verification:
    """What is wrong with the files of a model, found offline.

    Sizes against what the hub announced, the inner structure of weights, and, where `deep`, every byte
    against its checksum: the hub's, or that of the last verification. Of a folder that nobody verified the
    checksums are noted: the act by which a person trusts its .bin files. anew: note them as they are now.
    """
    expected = _expected(folder, anew)
    names = _names(folder, expected)
    count = Counter(sum(max(0, size_of(folder / name)) for name in names) if deep else 0, tell, "verify")
    files = tuple(_checked(folder, name, expected, deep, count) for name in names)
    good = {file.name: file.sha256 for file in files if file.state == "good" and len(file.sha256) == 64}
    recorded = bool(good) and add_to_record(folder, good)
    return Verification(folder, files, recorded)


def repair(hub: Hub, found: Verification, *, tell: Progress = quiet) -> Verification:
    """The verification after the broken files, and they alone, were fetched again from the hub.

    What is there stays until the new bytes are whole. Raises ModelError for a folder that did not come
    from the hub, ModelUnavailable where the hub does not answer.
    """
    place = repository_of(found.folder)
    if place is None:
        raise ModelError(
            _("{folder} did not come from the hub: {names} cannot be fetched").format(
                folder=found.folder, names=", ".join(file.name for file in found.broken)
            ),
            hint=_("put the files back from where the folder came"),
        )
    repository, commit = place
    listing = repository.listing(commit) or hub.listing(repository.model, commit)
    files = [listing.file(file.name) for file in found.broken]
    count = Counter(sum(file.n_bytes for file in files), tell)
    way = Way(links=not any(path.is_file() and not path.is_symlink() for path in _shown(found.folder)))
    for file in files:
        fetch_blob(hub, repository, listing, file, way, count, anew=True)
    publish(repository, listing, files, commit, way)
    return verify(found.folder, tell=tell)


def _expected(folder: Path, anew: bool) -> Mapping[str, RemoteFile]:
    """What each file should be: from the hub's listing, its blob's name, or the record of the last verification."""
    place = repository_of(folder)
    listing = place[0].listing(place[1]) if place else None
    if listing:
        return {file.name: file for file in listing.files}
    blobs = {path.name: path.resolve() for path in _shown(folder) if path.is_symlink()}
    found = {
        name: RemoteFile(name, -1, blob.name)
        for name, blob in blobs.items()
        if blob.parent.name == "blobs" and is_digest(blob.name)
    }
    if not anew:
        found |= {name: RemoteFile(name, entry[1], entry[0]) for name, entry in read_record(folder).items()}
    return found


def _names(folder: Path, expected: Mapping[str, RemoteFile]) -> list[str]:
    """The files that a model is loaded from, be they there or not."""
    place = repository_of(folder)
    if place and place[0].listing(place[1]):
        return list(expected)
    shown = {path.name for path in _shown(folder)}
    ggufs = sorted(name for name in shown if name.lower().endswith(".gguf"))
    try:
        weights = [path.name for path in weights_files(folder)]
    except ModelDamaged:
        weights = []
    if not weights and not ggufs:
        raise NotFound(_("{folder} holds no model").format(folder=folder))
    return [*(name for name in (*SMALL, *INDEXES) if name in shown), *ggufs, *weights]


def _checked(folder: Path, name: str, expected: Mapping[str, RemoteFile], deep: bool, count: Counter) -> FileCheck:
    path, announced = folder / name, expected.get(name)
    n_bytes = size_of(path)
    if n_bytes < 0:
        return FileCheck(name, 0, "missing")
    if announced and announced.n_bytes not in (-1, n_bytes):
        reason = ngettext("{n} byte, not {expected}", "{n} bytes, not {expected}", n_bytes).format(
            n=n_bytes, expected=announced.n_bytes
        )
        return FileCheck(name, n_bytes, "size", reason=reason)
    if path.suffix.lower() in (".safetensors", ".bin", ".gguf"):
        try:
            check_weights_file(path)
        except (ModelRefused, ModelDamaged) as error:
            return FileCheck(name, n_bytes, "structure", reason=error.message)
    return _read(path, announced, count) if deep else _unread(folder, name, n_bytes)


def _unread(folder: Path, name: str, n_bytes: int) -> FileCheck:
    return FileCheck(name, n_bytes, "unread" if is_unchanged(folder, name) else "good")


def _read(path: Path, announced: RemoteFile | None, count: Counter) -> FileCheck:
    size = size_of(path)
    own = new_digest("sha256", size)
    theirs = new_digest("git", size) if announced and len(announced.digest) == 40 else None
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                own.update(block)
                if theirs:
                    theirs.update(block)
                count(len(block))
    except OSError as error:
        return FileCheck(path.name, size, "bytes", reason=str(error.strerror))
    if announced and (theirs or own).hexdigest() != announced.digest:
        return FileCheck(path.name, size, "bytes", own.hexdigest())
    if announced is None and path.suffix == ".bin" and (record := _torn_record(path)):
        return FileCheck(path.name, size, "bytes", own.hexdigest(), _("its part {name} is torn").format(name=record))
    return FileCheck(path.name, size, "good", own.hexdigest())


def _torn_record(path: Path) -> str:
    """The first record of a torch zip whose own checksum (CRC-32) fails, "" where there is none."""
    try:
        with ZipFile(path) as archive:
            return archive.testzip() or ""
    except BadZipFile as error:
        return str(error)


def _shown(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")] if folder.is_dir() else []
