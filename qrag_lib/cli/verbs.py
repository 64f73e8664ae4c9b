"""A function a verb: it opens the workspace, calls the method, and returns the value."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qrag_lib.cli import model
from qrag_lib.cli.options import settings_of
from qrag_lib.cli.settings_table import sheet

if TYPE_CHECKING:
    from qrag_lib.workspace import Workspace

Verb = Callable[[Namespace], object]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a document's text, from character `start` on."""

    document: str
    start: int
    text: str

    def __str__(self) -> str:
        return self.text


def ingest(options: Namespace) -> object:
    """Read documents and index them."""
    from qrag_lib.cli.interrupts import heard
    from qrag_lib.progress import shown

    with _open(options, create=True) as workspace, shown() as drawn, heard(drawn) as tell:
        return workspace.ingest(
            _source(options),
            include=options.include,
            limit=options.limit,
            delete_missing=not options.keep_missing,
            on_progress=tell,
        )


def validate(options: Namespace) -> object:
    """Say which files could be ingested; no workspace is needed for it."""
    from qrag_lib.workspace import validate

    return validate(_source(options), settings_of(options))


def search(options: Namespace) -> object:
    """Find passages."""
    with _asking(options, embeds=options.mode != "lexical") as workspace:
        return workspace.search(options.question, k=options.k, filters=options.filter, mode=options.mode)


def ask(options: Namespace) -> object:
    """Answer a question, or refuse."""
    with _asking(options) as workspace:
        return workspace.ask(
            options.question, k=options.k, filters=options.filter, threshold=options.threshold, llm=options.model
        )


def explain(options: Namespace) -> object:
    """Say where a passage was lost."""
    with _asking(options) as workspace:
        return workspace.explain(
            options.question, document=options.document, phrase=options.phrase, k=options.k, filters=options.filter
        )


def documents(options: Namespace) -> object:
    """List the documents."""
    with _open(options) as workspace:
        return workspace.documents()


def show(options: Namespace) -> object:
    """A document as it was read, or a stretch of its text."""
    with _open(options) as workspace:
        if options.start is None and options.end is None:
            return workspace.show(options.document)
        start, end = options.start or 0, sys.maxsize if options.end is None else options.end
        return Stretch(options.document, start, workspace.passage(options.document, start, end))


def forget(options: Namespace) -> object:
    """Remove documents."""
    with _open(options, write=True) as workspace:
        return workspace.forget(options.document)


def doctor(options: Namespace) -> object:
    """Compare files, catalogue and vector index."""
    with _open(options, write=options.repair) as workspace:
        return workspace.doctor(repair=options.repair)


def evaluate(options: Namespace) -> object:
    """Measure search and answers."""
    with _open(options) as workspace:
        return workspace.evaluate(Path(options.questions), k=options.k, llm=options.model)


def status(options: Namespace) -> object:
    """What the workspace holds, and whether it can be written."""
    with _open(options, write=True) as workspace:
        return workspace.status()


def reindex(options: Namespace) -> object:
    """Build the index anew."""
    with _open(options, write=True) as workspace:
        return workspace.reindex()


def jobs(options: Namespace) -> object:
    """What runs and ran; or one job watched, asked to end, or taken up again."""
    with _open(options, write=options.what == "again") as workspace:
        jobs = workspace.jobs
        if options.what is None:
            return jobs
        id = options.id or next((job.id for job in jobs), "")
        return {"watch": jobs.watch, "cancel": jobs.cancel, "again": jobs.again}[options.what](id)


def events(options: Namespace) -> object:
    """What was asked and ingested, as it was noted on this machine."""
    with _open(options) as workspace:
        return workspace.events(options.n)


def replay(options: Namespace) -> object:
    """A question asked again."""
    with _asking(options) as workspace:
        return workspace.replay(options.id)


def settings(options: Namespace) -> object:
    """The settings and where they come from."""
    return sheet(options.workspace, markdown=options.markdown)


def demo(options: Namespace) -> object:
    """Build a workspace from the samples and ask it."""
    from qrag_lib.demo import run

    return run(settings_of(options))


VERBS: Mapping[str, Verb] = {
    "ingest": ingest,
    "validate": validate,
    "search": search,
    "ask": ask,
    "explain": explain,
    "documents": documents,
    "show": show,
    "forget": forget,
    "doctor": doctor,
    "eval": evaluate,
    "status": status,
    "reindex": reindex,
    "jobs": jobs,
    "events": events,
    "replay": replay,
    "settings": settings,
    "demo": demo,
    "model": model.run,
}


def _open(options: Namespace, *, create: bool = False, write: bool = False) -> Workspace:
    from qrag_lib.workspace import Workspace

    found = settings_of(options)
    return Workspace.open(found.workspace, create=create, read_only=not (create or write), settings=found)


def _asking(options: Namespace, *, embeds: bool = True) -> Workspace:
    """The workspace, its embedding model on the way in a worker: there the next question finds it loaded."""
    from qrag_lib.cli.printing import remark
    from qrag_lib.workspace import Workspace

    found = settings_of(options)
    found = replace(found, worker="always") if found.worker == "auto" else found
    workspace = Workspace.open(found.workspace, create=False, read_only=True, settings=found)
    workspace.embedders.tell = remark
    if embeds and (index := workspace.catalog.indexes.active()):
        workspace.embedders.begin(index)
    return workspace


def _source(options: Namespace) -> Path | list[Path]:
    paths = [Path(name) for name in options.source]
    return paths[0] if len(paths) == 1 else paths
