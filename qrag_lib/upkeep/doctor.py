"""Files, catalogue, vector index and models looked through; what is wrong is said, and mended where asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qrag_lib import show
from qrag_lib.catalog import Catalog, Index
from qrag_lib.documents import unprinted
from qrag_lib.i18n import _, ngettext
from qrag_lib.ingest.forget import purge
from qrag_lib.ingest.vanished import vanished
from qrag_lib.search.lexical import chunk_terms
from qrag_lib.stores.chroma import ChromaFolder, TornFolder, strangers
from qrag_lib.stores.dense import DenseIndex

if TYPE_CHECKING:
    from local_models.embedding.embedder import Embedder

BESIDE = ("files", "models", "outdated")  # codes of what does not keep the workspace from answering
SAME = 0.999  # least cosine of a vector and its copy: float16 keeps 0.9999


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. mend: what repairs it; None where a person has to act.

    code: catalogue, terms, vectors, spans, pending, chroma, files, models, outdated or unused.
    """

    code: str
    message: str
    hint: str = ""
    mended: bool = False
    mend: Callable[[], object] | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What `doctor` found. checked: what was looked at, in words."""

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """True where nothing is left that concerns the workspace itself; what is BESIDE it is told."""
        return all(finding.mended or finding.code in BESIDE for finding in self.findings)

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(f.code, f.message, _("mended") if f.mended else f.hint) for f in self.findings]

    def _title(self) -> str:
        return _("The workspace is sound") if self.healthy else _("The workspace needs repair")

    def __str__(self) -> str:
        lines = [f"  {code}: {show.line(message)}\n    → {show.line(hint)}" for code, message, hint in self._rows()]
        return "\n".join([self._title(), *lines, _("checked: {what}").format(what=", ".join(self.checked))])

    def _repr_html_(self) -> str:
        table = show.table_html([_("where"), _("what"), _("next")], self._rows()) if self.findings else ""
        checked = _("checked: {what}").format(what=", ".join(self.checked))
        return show.panel_html(self._title(), table, checked, calm=self.healthy)._repr_html_()


def diagnose(
    catalog: Catalog,
    dense: DenseIndex,
    embedding: Callable[[Index], Embedder],
    models: Iterable[Finding] = (),
) -> Diagnosis:
    """Compare everything with everything; reads only.

    embedding: opens the model of an index; called only to mend a vector that is gone.
    models: what is wrong with the language models, of `doctor_models`.
    """
    findings = [Finding("catalogue", problem, _("put a copy of catalog.db back, or move it away and ingest again"))
                for problem in catalog.database.problems()]  # fmt: skip
    if not findings:
        for index in catalog.indexes.all():
            findings += _index_findings(catalog, dense, index, embedding)
        findings += _outdated(catalog)
        findings += _unused(catalog)
        findings += _unpurged(catalog, dense)
        findings += _strange_folders(catalog, dense)
        findings += _files(catalog)
    findings += models
    checked = (_("catalogue"), _("index terms"), _("vectors"), _("quotes in their place"), "Chroma", _("files"))
    return Diagnosis(tuple(findings), (*checked, _("models")))


def mend(diagnosis: Diagnosis) -> Diagnosis:
    """Mend what can be mended; only the writer may call this. Nothing that has a vector is embedded again."""
    return replace(diagnosis, findings=tuple(_mended(finding) for finding in diagnosis.findings))


def _mended(finding: Finding) -> Finding:
    if finding.mend is None:
        return finding
    finding.mend()
    return replace(finding, mended=True)


def _index_findings(
    catalog: Catalog, dense: DenseIndex, index: Index, embedding: Callable[[Index], Embedder]
) -> Iterator[Finding]:
    repair = _("qrag doctor --repair mends it")
    if wrong := catalog.chunks.out_of_place(index.id):
        message = ngettext(
            "{n} chunk is not where it should stand in the text",
            "{n} chunks are not where they should stand in the text",
            len(wrong),
        ).format(n=len(wrong))
        yield Finding("spans", message, _("qrag reindex makes them again from the stored text"))
    if n := catalog.chunks.terms_off(index.id):
        message = ngettext(
            "{n} chunk has no index terms, or terms no chunk", "{n} chunks have no index terms, or terms no chunk", n
        ).format(n=n)
        yield Finding("terms", message, repair, mend=lambda: _rebuild_terms(catalog, index))
    if missing := catalog.vectors.missing(index.model_id, index.id):
        message = ngettext("{n} chunk has no vector", "{n} chunks have no vector", len(missing)).format(n=len(missing))
        rows = [row for row, _hash in missing]
        yield Finding("vectors", message, repair, mend=lambda: _embed(catalog, dense, index, rows, embedding(index)))
    if index.active and (pending := catalog.indexes.pending(index.id)):
        message = ngettext(
            "{n} document is stored but not indexed", "{n} documents are stored but not indexed", len(pending)
        ).format(n=len(pending))
        yield Finding("pending", message, _("qrag reindex indexes them from the stored text"))
    if index.published and (problem := _chroma_problem(catalog, dense.root, index)):
        yield Finding("chroma", problem, repair, mend=lambda: dense.publish(index, anew=True))
    elif not index.published and catalog.chunks.count(index.id):
        message = _("the vectors were never put into Chroma")
        yield Finding("chroma", message, repair, mend=lambda: dense.publish(index, anew=True))


def _chroma_problem(catalog: Catalog, root: Path, index: Index) -> str:
    """What is wrong with an index's folder, "" where it holds what the catalogue does."""
    try:
        folder = ChromaFolder(root / index.published)
    except TornFolder as error:
        return _("the Chroma folder is not as it was written: {error}").format(error=error)
    expected = catalog.vectors.live_hashes(index.model_id, index.id, index.published_seq)
    wrong = 0
    try:
        for hashes, vectors in folder.contents():
            expected -= set(hashes)
            wrong += _differing(catalog, index, hashes, vectors)
    except TornFolder as error:
        return _("the Chroma folder is not as it was written: {error}").format(error=error)
    finally:
        folder.close()
    if expected or wrong:
        lacking = ngettext("Chroma lacks {n} vector", "Chroma lacks {n} vectors", len(expected)).format(n=len(expected))
        others = ngettext("{n} that it holds is another", "{n} that it holds are others", wrong).format(n=wrong)
        return f"{lacking}, {others}"
    return ""


def _differing(catalog: Catalog, index: Index, hashes: list[str], vectors: np.ndarray) -> int:
    known, stored = catalog.vectors.get(index.model_id, hashes)
    if not known:
        return 0
    place = {hashed: i for i, hashed in enumerate(hashes)}
    held = vectors[[place[hashed] for hashed in known]]
    return int(((held * stored).sum(1) < SAME).sum())


def _rebuild_terms(catalog: Catalog, index: Index) -> None:
    with catalog.write():
        catalog.chunks.rebuild_terms(index.id, lambda chunk: " ".join(chunk_terms(chunk, index.config.analyzer)))


def _embed(catalog: Catalog, dense: DenseIndex, index: Index, rows: list[int], embedding: Embedder) -> None:
    from qrag_lib.types import text_hash

    texts = {text_hash(c.embedded_text): c.embedded_text for c in catalog.chunks.get(rows).values()}
    vectors = embedding.encode(list(texts.values()))
    with catalog.write():
        catalog.vectors.put(index.model_id, list(texts), vectors)
    dense.publish(index)


def _outdated(catalog: Catalog) -> Iterator[Finding]:
    """An index that an earlier version made: it answers as it did."""
    index = catalog.indexes.active()
    if index and index.config.outdated:
        message = _("the index was made by an earlier version, which reads identifiers and accents less well")
        yield Finding("outdated", message, _("qrag reindex makes it anew from the stored text"))


def _unused(catalog: Catalog) -> Iterator[Finding]:
    if n := catalog.vectors.count_unused():
        message = ngettext(
            "{n} vector belongs to no chunk (an ingest that was stopped will use it)",
            "{n} vectors belong to no chunk (an ingest that was stopped will use them)",
            n,
        ).format(n=n)

        def drop() -> None:
            with catalog.write(visible=False):
                catalog.vectors.delete_unused()

        yield Finding("unused", message, _("go on with the ingest, or qrag doctor --repair drops them"), mend=drop)


def _unpurged(catalog: Catalog, dense: DenseIndex) -> Iterator[Finding]:
    if catalog.owes_purge():
        message = _("qrag forget was stopped: bytes of what it removed are still in the files")
        yield Finding("unused", message, _("qrag doctor --repair removes them"), mend=lambda: purge(catalog, dense))


def _strange_folders(catalog: Catalog, dense: DenseIndex) -> Iterator[Finding]:
    kept = [index.published for index in catalog.indexes.all()]
    if names := strangers(dense.root, kept):
        message = ngettext(
            "{n} entry of the Chroma folder belongs to no index: {names}",
            "{n} entries of the Chroma folder belong to no index: {names}",
            len(names),
        ).format(n=len(names), names=", ".join(names[:3]))
        hint = _("qrag doctor --repair removes them")
        yield Finding("chroma", message, hint, mend=dense.sweep)


def _files(catalog: Catalog) -> Iterator[Finding]:
    """Originals that are gone or changed since they were read; of a folder that is gone, what ingest says of it."""
    gone = changed = 0
    left = vanished(catalog)
    sources = {each.source for each in left}
    for stored in catalog.documents:
        if stored.path and not stored.reason and stored.source not in sources:
            try:
                status = Path(unprinted(stored.path)).stat(follow_symlinks=False)
                changed += bool(stored.stamp) and not stored.stamp.startswith(f"{status.st_size}:{status.st_mtime_ns}:")
            except OSError:
                gone += 1
    if gone or changed:
        went = ngettext("{n} file is gone", "{n} files are gone", gone).format(n=gone)
        other = ngettext("{n} has changed since it was read", "{n} have changed since they were read", changed)
        message = f"{went}, {other.format(n=changed)}"
        hint = _("qrag ingest FOLDER brings the workspace in step with a folder; qrag forget NAME removes a document")
        yield Finding("files", message, hint)
    yield from (Finding("files", each.message, each.hint) for each in left)
