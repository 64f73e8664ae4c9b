"""Getting a model: plan, room, little files, weights, check, publish; and what to do where that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from local_models.checkpoint.checksum_record import add_to_record, is_unchanged, sha256, vouch
from local_models.checkpoint.model_safety import INDEXES, VOCABULARIES, check_keys, index_names
from local_models.checkpoint.structure import check_as
from local_models.errors import DiskFull, ModelError
from local_models.hub.blobs import DENIED, LinksDenied, LocksDenied, Way, fetch_blob, part_bytes, publish
from local_models.hub.cache import find_waste, free_bytes, list_models
from local_models.hub.cache_layout import Listing, RemoteFile, Repository
from local_models.hub.files import indexed, needed
from local_models.hub.hub_client import Hub
from local_models.hub.retries import Remedy, Say, is_no_room, recovered
from local_models.interface.blocks import panel_html, table_html, table_text
from local_models.interface.job_progress import Progress, quiet
from local_models.interface.messages import _
from local_models.interface.number_format import size

SPARE = 1.02  # of the bytes needed: file systems keep books of their own
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to get. pattern: which of several GGUF files; least_free_bytes: what must be free before the first byte."""

    model: str
    revision: str = "main"
    pattern: str | None = None
    use_safetensors: bool = True
    least_free_bytes: int = 0


@dataclass(frozen=True)
class DownloadPlan:
    """What a download will fetch. needs: bytes still to come, by file; 0 for what is there already."""

    wanted: Wanted
    cache: Path
    listing: Listing
    small: tuple[RemoteFile, ...]
    weights: tuple[RemoteFile, ...]
    needs: dict[str, int]
    free_bytes: int

    @property
    def need_bytes(self) -> int:
        """Bytes still to come."""
        return sum(self.needs.values())

    @property
    def room_bytes(self) -> int:
        """Bytes that must be free for it; 0 where nothing is fetched."""
        return max(int(self.need_bytes * SPARE), self.wanted.least_free_bytes) if self.need_bytes else 0

    @property
    def fits(self) -> bool:
        """Whether there is room for it."""
        return self.room_bytes <= self.free_bytes

    @property
    def healthy(self) -> bool:
        """The same, as the command line asks it."""
        return self.fits

    def _title(self) -> str:
        return _("{model} at {commit}: {size} to fetch, {free} free").format(
            model=self.wanted.model,
            commit=self.listing.commit[:8],
            size=size(self.need_bytes),
            free=size(self.free_bytes),
        )

    def _rows(self) -> list[tuple[str, str, str]]:
        files = (*self.small, *self.weights)
        return [(file.name, size(file.n_bytes), size(self.needs[file.name])) for file in files]

    def __str__(self) -> str:
        return f"{self._title()}\n{table_text([_('file'), _('size'), _('to fetch')], self._rows())}"

    def _repr_html_(self) -> str:
        table = table_html([_("file"), _("size"), _("to fetch")], self._rows())
        return panel_html(self._title(), table, calm=self.fits)._repr_html_()


def plan_download(hub: Hub, wanted: Wanted, cache: Path) -> DownloadPlan:
    """What a download would fetch and whether there is room; asks the hub for the list of files, fetches nothing."""
    return _planned(hub.listing(wanted.model, wanted.revision), wanted, cache)


def download(hub: Hub, wanted: Wanted, cache: Path, *, tell: Progress = quiet) -> Path:
    """The folder of a model, fetched and checked; what an earlier run received is not fetched again.

    First the little files, then the weights that the index names, each against its checksum. A full
    disk and refused locks or links are answered as `recovery` says; hub.say is told each step.
    Raises NotFound, ModelUnavailable, ModelRefused, ModelDamaged, DiskFull.
    """
    remedies = (
        Remedy[Way](_("no space left on device"), is_no_room, lambda way, error: _make_room(way, cache, hub.say)),
        Remedy[Way](
            _("permission denied on locks"), _is(LocksDenied), lambda way, error: Way(locks=False, links=False)
        ),
        Remedy[Way](_("no symbolic links here"), _is(LinksDenied), lambda way, error: replace(way, links=False)),
    )
    from huggingface_hub import constants

    way = Way(links=not constants.HF_HUB_DISABLE_SYMLINKS)
    try:
        return recovered(lambda way: _fetch(hub, wanted, cache, way, tell), way, remedies, hub.say)
    except OSError as error:
        if error.errno not in DENIED:
            raise
        raise ModelError(
            _("{cache} cannot be written: {error}").format(cache=cache, error=error.strerror),
            hint=_("set QRAG_MODELS_CACHE to a folder that you may write to"),
        ) from error


def _fetch(hub: Hub, wanted: Wanted, cache: Path, way: Way, tell: Progress) -> Path:
    plan = plan_download(hub, wanted, cache)
    check_room(plan)
    repository, listing = Repository(cache, wanted.model), plan.listing
    if is_there(repository, plan):
        return _vouched(repository.snapshot(listing.commit), plan.weights)
    count = Counter(plan.need_bytes, tell)
    for file in plan.small:
        fetch_blob(hub, repository, listing, file, way, count)
    weights = _read_small(repository, plan)
    repository.write_listing(listing, [*plan.small, *weights])
    for file in weights:
        fetch_blob(hub, repository, listing, file, way, count)
        check_as(repository.there(listing.commit, file), file.name)
    snapshot = publish(repository, listing, [*weights, *plan.small], wanted.revision, way)
    add_to_record(snapshot, {file.name: _sha256(snapshot, file) for file in weights})
    return snapshot


def _vouched(snapshot: Path, weights: Sequence[RemoteFile]) -> Path:
    """The snapshot; a `.bin` in it that was copied here, or whose download was killed at its end, is checked now."""
    for file in weights:
        if file.name.endswith(".bin") and not is_unchanged(snapshot, file.name):
            vouch(snapshot, snapshot / file.name, _sha256(snapshot, file))
    return snapshot


def _sha256(snapshot: Path, file: RemoteFile) -> str:
    return file.digest if len(file.digest) == 64 else sha256(snapshot / file.name)  # a small file of git's


def is_there(repository: Repository, plan: DownloadPlan) -> bool:
    """Whether the snapshot is whole and its branch stands there, so that nothing need be written."""
    snapshot = repository.snapshot(plan.listing.commit)
    stands = repository.commit_of(plan.wanted.revision) == plan.listing.commit
    return stands and not plan.need_bytes and all((snapshot / f.name).is_file() for f in (*plan.small, *plan.weights))


class Counter:
    """Tells how much of what was to come has come, in MiB."""

    def __init__(self, total_bytes: int, tell: Progress, stage: str = "download") -> None:
        self.total_bytes, self.tell, self.stage, self.done_bytes = total_bytes, tell, stage, 0
        self(0)

    def __call__(self, n: int) -> None:
        """Count bytes that came, or, below 0, that are to come again."""
        self.done_bytes = max(0, self.done_bytes + n)
        self.tell(self.stage, self.done_bytes // MIB, max(1, self.total_bytes // MIB))


def check_room(plan: DownloadPlan) -> None:
    """Raise DiskFull, before the first byte, where there is no room, with what could be freed."""
    if plan.fits:
        return
    useless = find_waste(plan.cache).n_bytes
    raise DiskFull(
        _("{model} needs {need} and {room} free; {cache} has {free}").format(
            model=plan.wanted.model,
            need=size(plan.need_bytes),
            room=size(plan.room_bytes),
            cache=plan.cache,
            free=size(plan.free_bytes),
        ),
        hint=_(
            "qrag model clean frees {size}; or set QRAG_MODELS_CACHE to a larger disk, or QRAG_MIN_FREE_DISK_GIB"
        ).format(size=size(useless)),
    )


def _planned(listing: Listing, wanted: Wanted, cache: Path) -> DownloadPlan:
    repository = Repository(cache, wanted.model)
    small, weights = needed(listing, pattern=wanted.pattern, use_safetensors=wanted.use_safetensors)
    needs = {
        file.name: 0 if repository.has(listing.commit, file) else file.n_bytes - part_bytes(repository, file)
        for file in (*small, *weights)
    }
    return DownloadPlan(wanted, cache, listing, tuple(small), tuple(weights), needs, free_bytes(cache))


def _read_small(repository: Repository, plan: DownloadPlan) -> Sequence[RemoteFile]:
    """The weights that the index asks for; refuses a model that brings code, before its weights are fetched."""
    weights: Sequence[RemoteFile] = plan.weights
    for file in plan.small:
        path = repository.there(plan.listing.commit, file)
        if file.name in INDEXES:
            ending = ".safetensors" if "safetensors" in file.name else ".bin"
            weights = indexed(plan.listing, plan.weights, index_names(path, ending))
        elif file.name.endswith(".json") and file.name not in VOCABULARIES:
            check_keys(path)
    return weights


def _make_room(way: Way, cache: Path, say: Say) -> Way | None:
    """The same way once more where something useless went; says what else a person could remove."""
    gone = find_waste(cache)
    freed = gone.n_bytes
    if freed:
        gone.apply()
        say(_("removed what is of no use: {size}").format(size=size(freed)))
    others = find_waste(cache, ("unfinished", "detached"))
    if others.items:
        say(_("qrag model clean --all would free {size} more").format(size=size(others.n_bytes)))
    for model in list_models(cache).models[:5]:
        say(_("qrag model remove {model} would free {size}").format(model=model.name, size=size(model.n_bytes)))
    return way if freed else None


def _is(kind: type[Exception]) -> Callable[[BaseException], bool]:
    return lambda error: isinstance(error, kind)
