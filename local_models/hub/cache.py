"""What the cache holds, what of it nobody needs any more, and its removal, shown before it is done."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from local_models.errors import ModelError, NotFound
from local_models.hub.blobs import PART
from local_models.hub.cache_layout import Repository, size_of
from local_models.interface.blocks import panel_html, table_html, table_text
from local_models.interface.messages import N_, _, ngettext
from local_models.interface.number_format import size
from local_models.kv_cache.prefix import PrefixStore

OLD_S = 3600.0  # a file untouched for so long is not being written
Kind = Literal["orphan", "incomplete", "dangling", "computed", "unfinished", "detached", "model"]
USELESS: tuple[Kind, ...] = ("orphan", "incomplete", "dangling")
WHY: dict[Kind, str] = {
    "orphan": N_("bytes that no model refers to"),
    "incomplete": N_("left by a download that cannot go on"),
    "dangling": N_("a link to bytes that are gone"),
    "computed": N_("prompts computed before, beyond their limit"),
    "unfinished": N_("a download that was stopped and can go on"),
    "detached": N_("a version that no branch stands at any more"),
    "model": N_("a whole model"),
}


@dataclass(frozen=True, slots=True)
class Waste:
    """A file or folder that can go, and the bytes that its going frees. keep_bytes: what of a folder may stay."""

    path: Path
    kind: Kind
    n_bytes: int
    model: str = ""
    keep_bytes: int = 0

    def remove(self) -> bool:
        """True once it is gone; a folder of computed prompts is cut to its limit."""
        if self.kind == "computed":
            return bool(PrefixStore(self.path, self.keep_bytes).clean())
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            with suppress(OSError):
                self.path.unlink()
        return not self.path.is_symlink() and not self.path.exists()


@dataclass(frozen=True)
class Cleaning:
    """What a cleaning removes; `apply` does it. done: whether it was done."""

    items: tuple[Waste, ...]
    done: bool = False

    @property
    def n_bytes(self) -> int:
        """Bytes that are freed."""
        return sum(item.n_bytes for item in self.items)

    def apply(self) -> Cleaning:
        """Remove what is listed, links before the bytes they lead to; what is gone now."""
        ordered = sorted(self.items, key=lambda item: item.kind == "orphan")
        return replace(self, items=tuple(item for item in ordered if item.remove()), done=True)

    def _title(self) -> str:
        if not self.items:
            return _("Nothing to remove")
        freed = _("Removed: {size}") if self.done else _("Would free {size}; --yes removes it")
        return freed.format(size=size(self.n_bytes))

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(i.model, f"{_(WHY[i.kind])}: {i.path.name}", size(i.n_bytes)) for i in self.items]

    def __str__(self) -> str:
        table = table_text([_("model"), _("what"), _("size")], self._rows()) if self.items else ""
        return "\n".join(part for part in (self._title(), table) if part)

    def _repr_html_(self) -> str:
        table = table_html([_("model"), _("what"), _("size")], self._rows()) if self.items else ""
        return panel_html(self._title(), table, calm=True)._repr_html_()


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A model in the cache. n_bytes: on the disk, whatever state they are in; whole: whether all of it is there."""

    name: str
    commits: tuple[str, ...]
    n_bytes: int
    whole: bool
    folder: Path


@dataclass(frozen=True)
class CachedModels:
    """The models in a cache, the largest first."""

    cache: Path
    models: tuple[CachedModel, ...]
    free_bytes: int

    def _rows(self) -> list[tuple[str, str, str, str]]:
        state = {True: _("whole"), False: _("not whole")}
        return [
            (m.name, ", ".join(c[:8] for c in m.commits) or "-", state[m.whole], size(m.n_bytes)) for m in self.models
        ]

    def _title(self) -> str:
        said = ngettext("{n} model in {cache}, {free} free", "{n} models in {cache}, {free} free", len(self.models))
        return said.format(n=len(self.models), cache=self.cache, free=size(self.free_bytes))

    def __str__(self) -> str:
        columns = [_("model"), _("version"), _("state"), _("size")]
        return "\n".join([self._title(), *([table_text(columns, self._rows())] if self.models else [])])

    def _repr_html_(self) -> str:
        columns = [_("model"), _("version"), _("state"), _("size")]
        return panel_html(self._title(), table_html(columns, self._rows()), calm=True)._repr_html_()


def list_models(cache: Path) -> CachedModels:
    """What is in a cache; a broken model is listed as what it is."""
    models = [_described(repository) for repository in repositories(cache)]
    return CachedModels(cache, tuple(sorted(models, key=lambda m: -m.n_bytes)), free_bytes(cache))


def remove(model: str, cache: Path) -> Cleaning:
    """The removal of a whole model; nothing is gone before `apply`. Raises NotFound."""
    repository = Repository(cache, model)
    if not repository.folder.is_dir():
        names = ", ".join(each.model for each in repositories(cache)) or _("none")
        message = _("there is no model {model} in {cache}").format(model=model, cache=cache)
        raise NotFound(message, hint=_("the models are: {names}").format(names=names))
    locks = cache / ".locks" / repository.folder.name
    items = [Waste(repository.folder, "model", _bytes_below(repository.folder), model)]
    return Cleaning((*items, *([Waste(locks, "model", 0, model)] if locks.is_dir() else [])))


def find_waste(cache: Path, kinds: Sequence[Kind] = USELESS, *, old_s: float = OLD_S) -> Cleaning:
    """What of the cache can go, of the kinds named; nothing is gone before `apply`.

    By default what is provably of no use: bytes and links of no version of a model, and what
    another library's stopped download left. What was touched within old_s stays.
    """
    found = [waste for repository in repositories(cache) for waste in _waste(repository, old_s)]
    return Cleaning(tuple(waste for waste in found if waste.kind in kinds))


def find_computed(folder: Path, limit_bytes: int) -> Cleaning:
    """What of the prompts that models computed is beyond a limit, or was left by a killed process."""
    n_bytes = 0
    with suppress(OSError, Timeout):  # another process writes now
        n_bytes = PrefixStore(folder, limit_bytes).clean(dry_run=True)
    return Cleaning((Waste(folder, "computed", n_bytes, keep_bytes=limit_bytes),) if n_bytes else ())


def repositories(cache: Path) -> Iterator[Repository]:
    """The models that have a folder in the cache, by name."""
    for folder in sorted(cache.glob("models--*")) if cache.is_dir() else ():
        with suppress(ModelError):
            if folder.is_dir():
                yield Repository(cache, folder.name.removeprefix("models--").replace("--", "/"))


def free_bytes(folder: Path) -> int:
    """Bytes free for this user on the disk of a folder that may not be there yet."""
    there = next((each for each in (folder, *folder.absolute().parents) if each.exists()), Path("/"))
    return shutil.disk_usage(there).free


def _described(repository: Repository) -> CachedModel:
    snapshots = [path for path in sorted(repository.folder.glob("snapshots/*")) if path.is_dir()]
    whole = any(any(p.is_file() for p in (s / "config.json", *s.glob("*.gguf"))) for s in snapshots)
    links = [path for snapshot in snapshots for path in snapshot.rglob("*")]
    return CachedModel(
        repository.model,
        tuple(path.name for path in snapshots),
        _bytes_below(repository.folder),
        whole and all(path.exists() for path in links) and not any(repository.folder.glob(f"blobs/*{PART}")),
        repository.folder,
    )


def _waste(repository: Repository, old_s: float) -> Iterator[Waste]:
    model, snapshots = repository.model, list(repository.folder.glob("snapshots/*"))
    links = [path for snapshot in snapshots for path in snapshot.rglob("*") if path.is_symlink()]
    yield from (Waste(link, "dangling", 0, model) for link in links if not link.exists())
    used = {link.resolve() for link in links}
    announced = {file.digest for listing in repository.listings() for file in listing.files}
    for blob in sorted(repository.folder.glob("blobs/*")):
        kind = _kind_of(blob, used, announced)
        if kind and _is_idle(repository, blob, old_s if kind != "unfinished" else 0):
            yield Waste(blob, kind, max(0, size_of(blob)), model)
    yield from _detached(repository, snapshots)


def _kind_of(blob: Path, used: set[Path], announced: set[str]) -> Kind | None:
    if blob.suffix == ".incomplete":
        return "incomplete"
    if blob.suffix == PART:
        whole = blob.with_suffix("").exists() or blob.stem not in announced
        return "incomplete" if whole else "unfinished"
    if blob.resolve() in used:
        return None
    return "unfinished" if blob.name in announced else "orphan"


def _detached(repository: Repository, snapshots: Iterable[Path]) -> Iterator[Waste]:
    """Snapshots that no branch stands at, with the bytes that they alone use; none where no branch is known at all."""
    standing = {repository.commit_of(str(ref.relative_to(repository.folder / "refs")))
                for ref in repository.folder.glob("refs/**/*") if ref.is_file()}  # fmt: skip
    lost = [path for path in snapshots if standing - {None} and path.name not in standing]
    kept = {path.resolve() for each in snapshots if each not in lost for path in each.rglob("*")}
    for snapshot in lost:
        own = {path.resolve() for path in snapshot.rglob("*") if path.is_symlink() and path.is_file()} - kept
        yield Waste(snapshot, "detached", _bytes_below(snapshot), repository.model)
        listing = repository.folder / "qrag" / f"{snapshot.name}.json"
        yield from [Waste(listing, "detached", 0, repository.model)] if listing.is_file() else []
        blobs = sorted(path for path in own if path.parent == repository.folder.resolve() / "blobs")
        yield from (Waste(path, "detached", size_of(path), repository.model) for path in blobs)


def _is_idle(repository: Repository, blob: Path, old_s: float) -> bool:
    """Whether nobody writes a blob: not lately, and its lock is free."""
    lock = repository.cache / ".locks" / repository.folder.name / f"{blob.name.partition('.')[0]}.lock"
    try:
        if time.time() - blob.stat().st_mtime < old_s:
            return False
        if lock.is_file():
            with FileLock(lock, timeout=0):
                return True
        return True
    except Timeout:
        return False
    except OSError:  # a lock of somebody else says nothing; the age does
        return old_s > 0


def _bytes_below(folder: Path) -> int:
    return sum(max(0, size_of(path)) for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
