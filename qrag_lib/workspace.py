"""A workspace: one folder, opened; what can be done with it are its methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qrag_lib import progress as progress_bars
from qrag_lib.answer.written.llm_adapters import Writers
from qrag_lib.catalog import FILE as CATALOG
from qrag_lib.catalog import Catalog
from qrag_lib.errors import (
    EvaluationError,
    NotFound,
    QragError,
    QuestionError,
    SourceError,
    WorkspaceError,
    WorkspaceNotFound,
    WorkspaceReadOnly,
)
from qrag_lib.events.event import EventTable
from qrag_lib.events.notes import note_answer, note_ingest, plain_filters
from qrag_lib.events.replay import Replay, compare
from qrag_lib.events.spool import Spool
from qrag_lib.i18n import _
from qrag_lib.ingest.indexer import Indexer
from qrag_lib.ingest.writer_lock import writer
from qrag_lib.jobs.job_log import JobLog
from qrag_lib.progress import Progress
from qrag_lib.search.embedders import Embedders
from qrag_lib.settings import Settings, load_settings
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import Answer, Document, Filter, Hits, IngestReport, Verdict, Verdicts

if TYPE_CHECKING:
    from llama_index.core.llms import LLM
    from llama_index.core.node_parser import NodeParser

    from local_models.engines.generation import Engine
    from local_models.planning.load_plan import LoadPlan
    from qrag_lib.answer.answerer import Answerer
    from qrag_lib.answer.streaming_display import OnText
    from qrag_lib.answer.written.prompt import Prompt
    from qrag_lib.evaluation.evaluate import EvaluationReport
    from qrag_lib.evaluation.question_sets import QuestionSet
    from qrag_lib.ingest.forget import Receipt
    from qrag_lib.jobs.job_desk import JobDesk
    from qrag_lib.search.explain import Explanation
    from qrag_lib.upkeep.doctor import Diagnosis
    from qrag_lib.upkeep.documents_table import DocumentTable
    from qrag_lib.upkeep.overview import Overview
    from qrag_lib.upkeep.system import Status

CHROMA = "chroma"
EVENTS = "events"
UPLOADS = "uploads"
EVALUATED = 50  # chunks a question of an evaluation brings, to be counted as documents


class Workspace:
    """One folder of documents made searchable. Use `Workspace.open`, and close it or use `with`.

    Any number of processes may have it open; one at a time writes, and the others see each commit
    at their next question.
    """

    def __init__(self, path: Path, catalog: Catalog, settings: Settings, parser: NodeParser | None = None) -> None:
        self.path = path
        self.catalog = catalog
        self.settings = settings
        self.dense = DenseIndex(catalog, path / CHROMA)
        self.embedders = Embedders(settings)
        self._writers = Writers(settings)
        self._jobs = JobLog(path / CATALOG)
        self._spool = Spool(path / EVENTS)
        self._indexer = Indexer(catalog, self.dense, settings, self.embedders, parser)

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        create: bool = True,
        read_only: bool = False,
        settings: Settings | None = None,
        parser: NodeParser | None = None,
    ) -> Workspace:
        """Open the workspace in `path`, or in the folder that the settings name.

        create: make the folder where there is none. read_only: never write; a folder that cannot be
        written is opened so of itself. parser: a LlamaIndex node parser in the place of ours.
        Raises WorkspaceNotFound, WorkspaceDamaged, SettingsError.
        """
        settings = settings or load_settings(path)
        folder = Path(path) if path is not None else settings.workspace
        if not (folder / CATALOG).exists():
            _make(folder, create and not read_only)
        return cls(folder, Catalog.open(folder / CATALOG, read_only=read_only), settings, parser)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __str__(self) -> str:
        return str(self._overview())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self._overview()._repr_html_()

    def _overview(self) -> Overview:
        from qrag_lib.upkeep.overview import overview

        return overview(self.path, self.catalog, self.settings)

    def close(self) -> None:
        """Close the files; the workspace object cannot be used again."""
        self._writers.close()
        self.dense.close()
        self.catalog.close()

    # -- documents in and out ----------------------------------------------------------------

    def validate(self, source: str | Path | Sequence[str | Path]) -> Verdicts:
        """What ingest would say of each file, without taking any."""
        return validate(source, self.settings)

    def ingest(
        self,
        source: Any,
        *,
        include: Sequence[str] | None = None,
        limit: int | None = None,
        delete_missing: bool = True,
        on_progress: Progress | None = None,
    ) -> IngestReport:
        """Bring the workspace in step with a source; what has not changed costs nothing.

        source: a folder, a file, a list of files, records {id, text, metadata} or a `.jsonl` file of
        them, LlamaIndex documents, a STIX bundle of MITRE ATT&CK. include, limit: see `ingest.sources`.
        delete_missing: documents that the source no longer has are forgotten.
        Refused files are listed in the report, the others go on. Stopped at any moment, the next
        call goes on from there. Raises WorkspaceBusy, WorkspaceReadOnly, DiskFull, SourceError; NothingRead
        where files or a folder were given and none of it could be read.
        """
        from qrag_lib.documents import Limits, Reader
        from qrag_lib.ingest.sources import check_read, open_source
        from qrag_lib.ingest.vanished import find_vanished

        if isinstance(source, str | Path) and (gone := find_vanished(self.catalog, source)):
            raise SourceError(gone.message, hint=gone.hint)
        opened = open_source(source, include=include, limit=limit)
        again = {"source": _taken_up(source), "include": include, "limit": limit, "delete_missing": delete_missing}
        with (
            self._writing(_("ingesting")),
            self._job("ingest", again, on_progress) as tell,
            Reader(Limits.of(self.settings)) as reader,
        ):
            began = time.process_time()
            report = self._indexer.ingest(opened, reader, tell, delete_missing=delete_missing)
            note_ingest(self._spool, "ingest", report, self.catalog.generation(), time.process_time() - began)
        check_read(opened, report)
        return report

    def reindex(self, *, on_progress: Progress | None = None) -> IngestReport:
        """Build the index that the settings ask for beside the present one, and switch when it is complete.

        Works from the stored text: no file is read, and no text embedded that the model has embedded
        before. The index that answered until then is kept, so that switching back costs little.
        """
        with self._writing(_("indexing")), self._job("reindex", {}, on_progress) as tell:
            began = time.process_time()
            report = self._indexer.rebuild(tell)
            note_ingest(self._spool, "reindex", report, self.catalog.generation(), time.process_time() - began)
            return report

    def forget(self, documents: str | Sequence[str]) -> Receipt:
        """Remove documents, by id or name, from everything in the workspace. Raises NotFound."""
        from qrag_lib.ingest.forget import forget

        names = [documents] if isinstance(documents, str) else list(documents)
        with self._writing(_("forgetting")):
            return forget(self.catalog, self.dense, names, self.path / UPLOADS)

    # -- questions ---------------------------------------------------------------------------

    def search(
        self,
        question: str,
        k: int | None = None,
        filters: Mapping[str, Any] | Sequence[Filter] | None = None,
        mode: str = "hybrid",
        rerank: Any = None,
    ) -> Hits:
        """The k passages that fit the question best. mode: hybrid, dense, lexical or rrf.

        filters: {key: value}, {key: [values]}, {key: {">=": value}}, Filters or LlamaIndex
        MetadataFilters. rerank: a LlamaIndex node postprocessor.
        """
        from qrag_lib.search.retrieve import search

        return search(
            self.catalog,
            self.dense,
            self.embedders.of,
            question,
            k=self.settings.top_k if k is None else k,
            filters=filters,
            mode=mode,
            rerank=rerank,
        )

    def ask(
        self,
        question: str,
        k: int | None = None,
        filters: Mapping[str, Any] | Sequence[Filter] | None = None,
        threshold: float | None = None,
        *,
        llm: str | LLM | Engine | None = None,
        on_text: OnText | None = None,
        prompt: Prompt | None = None,
    ) -> Answer:
        """The sentences of the documents that answer, each with its citation; or a refusal.

        k: passages that are read for it, 10 at least unless given. threshold: confidence below which
        nothing is answered. llm: a language model that writes the answer from the passages: an address
        such as offload:FOLDER, or any LlamaIndex LLM; without one, no model writes anything. Its
        sentences are compared with the documents, cited or marked as unsupported; where it fails, the
        quotes answer in its place, and say so. Raises NotFound or SettingsError for an address that names
        nothing on this disk or is none. on_text: is told each piece as the model writes it; a
        notebook or terminal shows them of itself. prompt: what the model is told, in place of the built-in
        one; see `answer.written.prompt`.
        """
        (answer,) = self._ask([question], k, filters, threshold, llm, prompt, on_text)
        return answer

    def ask_many(
        self,
        questions: Sequence[str],
        k: int | None = None,
        filters: Mapping[str, Any] | Sequence[Filter] | None = None,
        threshold: float | None = None,
        *,
        llm: str | LLM | Engine | None = None,
        prompt: Prompt | None = None,
    ) -> list[Answer]:
        """`ask` for each question; a language model that is able to writes several answers in one pass.

        A streamed model reads its weights from the disk as often for eight questions as for one. Where the
        model fails, the quotes answer in its place, and say so, question by question. Raises QragError for what is
        no list of texts.
        """
        if isinstance(questions, str) or not all(isinstance(each, str) for each in questions):
            raise QragError(
                _("the questions are not a list of texts: {value}").format(value=repr(questions)[:80]),
                hint=_('write them as ["...", "..."], also where there is one'),
            )
        return self._ask(questions, k, filters, threshold, llm, prompt)

    def _ask(
        self,
        questions: Sequence[str],
        k: int | None,
        filters: Any,
        threshold: float | None,
        llm: Any,
        prompt: Prompt | None,
        on_text: OnText | None = None,
    ) -> list[Answer]:
        """The answers, each noted among the events."""
        began = time.process_time()
        answers = self._answerer.ask(questions, k, filters, self._threshold(threshold), llm, on_text, prompt)
        given = {"k": k, "threshold": threshold, "filters": plain_filters(filters), "llm": llm and _taken_up(llm)}
        if llm is not None and given["llm"] is None:
            given["program"] = type(llm).__name__
        cpu_s = (time.process_time() - began) / max(1, len(answers))
        return [note_answer(self._spool, answer, given, cpu_s) for answer in answers]

    def _answered(self, questions: Sequence[str], *, k: int | None, llm: Any) -> list[Answer]:
        """The answers of an evaluation, which are no events."""
        return self._answerer.ask(questions, k, None, self._threshold(None), llm)

    def replay(self, event: str) -> Replay:
        """A question of before (`Answer.id`, `qrag events`) asked again: the same answer, or what differs and why.

        Raises NotFound; WorkspaceError where a program gave the model that wrote it.
        """
        then = next((each for each in self._spool.read() if each.what == "question" and each.id == event), None)
        if then is None:
            raise NotFound(_("there is no question {id}").format(id=event), hint=_("qrag events lists them"))
        if "program" in then.given:
            raise WorkspaceError(
                _("the model of question {id} was given by a program").format(id=event), hint=_("ask again from there")
            )
        filters = [Filter(*each) for each in then.given.get("filters") or ()]
        asked = {name: then.given.get(name) for name in ("k", "threshold", "llm")}
        answer = self.ask(then.question, filters=filters or None, **asked)
        return Replay(then, answer, compare(then, answer))

    def events(self, n: int = 50) -> EventTable:
        """The latest questions and ingests of this workspace, as they were noted on this machine."""
        return EventTable(tuple(islice(self._spool.read(), n)))

    def _threshold(self, threshold: float | None) -> float | None:
        if threshold is not None and not 0 <= threshold <= 1:
            message = _("the threshold is {text}; it must be from 0 to 1").format(text=threshold)
            raise QuestionError(message, hint=_("leave it out to use the one that was measured"))
        return self.settings.refusal_threshold if threshold is None else threshold

    @property
    def _answerer(self) -> Answerer:
        from qrag_lib.answer.answerer import Answerer
        from qrag_lib.answer.open_reader import reader_of

        reader = partial(reader_of, self.settings)
        return Answerer(self.catalog, self.search, self.embedders, self._writers, reader, self.settings.top_k)

    def explain(
        self,
        question: str,
        document: str | None = None,
        phrase: str | None = None,
        k: int | None = None,
        filters: Mapping[str, Any] | Sequence[Filter] | None = None,
    ) -> Explanation:
        """At which stage a document or phrase that should have been found was lost, and what brings it back."""
        from qrag_lib.search.explain import explain

        return explain(
            self.catalog,
            self.dense,
            self.embedders.of,
            question,
            document=document,
            phrase=phrase,
            k=self.settings.top_k if k is None else k,
            filters=filters,
        )

    def evaluate(
        self,
        question_set: str | Path | QuestionSet,
        *,
        k: int | None = None,
        answers: bool = True,
        mode: str = "hybrid",
        llm: str | LLM | Engine | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> EvaluationReport:
        """Every question of the set searched (and answered), counted with 95 % intervals.

        question_set: a `.jsonl` file of {id, text, answers, relevant}, or a folder with `queries.jsonl`
        and `qrels.tsv`. k: passages that an answer is taken from. mode: as in `search`. llm: as in `ask`;
        it is asked for several answers at once.
        """
        from qrag_lib.evaluation.ask_ahead import AskAhead
        from qrag_lib.evaluation.evaluate import evaluate
        from qrag_lib.evaluation.question_sets import load_question_set

        if self.catalog.indexes.active() is None:
            raise EvaluationError(_("the workspace holds no documents"), hint=_("qrag ingest FOLDER puts some in"))
        questions = load_question_set(question_set) if isinstance(question_set, str | Path) else question_set
        ask = AskAhead([each.text for each in questions], partial(self._answered, k=k, llm=llm))
        search = partial(self.search, k=EVALUATED, mode=mode)
        again = {
            "question_set": _taken_up(question_set),
            "k": k,
            "answers": answers,
            "mode": mode,
            "llm": _taken_up(llm),
        }

        def told(stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
            if on_progress is not None:
                on_progress(done)

        with self._jobs.run("eval", again, told) as tell:
            asked = partial(tell, "ask", total=len(questions))
            return evaluate(questions, search, ask if answers else None, on_progress=asked)

    def make_questions(self, n: int = 100) -> QuestionSet:
        """A question set that the documents pose to themselves: headings, definitions, FAQ lines, cloze."""
        from qrag_lib.evaluation.synthetic_questions import make_questions

        index = self.catalog.indexes.active()
        chunks = self.catalog.chunks.sample(index.id, 20 * n) if index else []
        return make_questions([chunk for _row, chunk in chunks], n)

    def retriever(self, k: int | None = None, **options: Any) -> Any:
        """A LlamaIndex `BaseRetriever` over this workspace."""
        from qrag_lib.llamaindex.retriever import QragRetriever

        return QragRetriever(
            self.catalog, self.dense, self.embedders.of, k=self.settings.top_k if k is None else k, **options
        )

    # -- looking -----------------------------------------------------------------------------

    def documents(self) -> DocumentTable:
        """Every document with its state, the refused ones too."""
        from qrag_lib.upkeep.documents_table import list_documents

        return list_documents(self.catalog)

    def show(self, document: str) -> Document:
        """A document as it was read, by id or name. Raises NotFound."""
        stored = self.catalog.documents.find(document)
        if not stored.version:
            raise NotFound(
                _("{name} was refused: {message}").format(name=stored.name, message=stored.message), hint=stored.hint
            )
        return self.catalog.documents.load(stored.id)

    def passage(self, document: str, start: int, end: int) -> str:
        """`text[start:end]` of a document: what a citation quotes."""
        return self.catalog.documents.text(self.catalog.documents.find(document).id)[start:end]

    def status(self) -> Status:
        """Documents, index, language models, disk and memory."""
        from qrag_lib.upkeep.system import status

        return status(self.path, self.catalog, self.dense, self.settings)

    def plan_model(self, address: str | None = None, *, context: int | None = None, measure: bool = True) -> LoadPlan:
        """How a language model would be loaded here: its peak of memory, bytes and seconds per token.

        address: a folder, a GGUF file, a hub name, offload: or gguf: and one of these; unset, the setting model.
        context: tokens of prompt and answer. measure: read the disk for two seconds to know its speed.
        Raises NotFound where there is no such model on this disk.
        """
        from local_models.engines.model_choice import plan_address

        return plan_address(address, self.settings.engine, context=context, measure=measure)

    def doctor(self, *, repair: bool = False) -> Diagnosis:
        """Compare files, catalogue and vector index, look through the models; `repair` mends what can be mended."""
        from qrag_lib.upkeep.doctor import diagnose, mend
        from qrag_lib.upkeep.doctor_models import model_findings

        if not repair:
            return diagnose(self.catalog, self.dense, self.embedders.of, model_findings(self.settings))
        with self._writing(_("repairing")):
            return mend(diagnose(self.catalog, self.dense, self.embedders.of, model_findings(self.settings)))

    # -- jobs --------------------------------------------------------------------------------

    @property
    def jobs(self) -> JobDesk:
        """Ingests, reindexes, evaluations and downloads, by whichever process: listed, watched, ended, taken up."""
        from qrag_lib.jobs import model_jobs
        from qrag_lib.jobs.job_desk import JobDesk

        verbs: dict[str, Callable[..., Any]] = {
            "ingest": self.ingest,
            "reindex": self.reindex,
            "eval": self.evaluate,
            "model download": partial(model_jobs.download, self.settings),
            "model quantize": partial(model_jobs.quantize, self.settings),
        }
        return JobDesk(self._jobs, verbs)

    # -- writing -----------------------------------------------------------------------------

    @contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        if self.catalog.database.read_only:
            raise WorkspaceReadOnly(
                _("{folder} is open to be read only").format(folder=self.path),
                hint=_("give yourself the right to write there, or copy the workspace"),
            )
        with writer(self.path, doing):
            yield

    @contextmanager
    def _job(self, verb: str, arguments: Mapping[str, Any], on_progress: Progress | None) -> Iterator[Progress]:
        with self._telling(on_progress) as shown, self._jobs.run(verb, arguments, shown) as tell:
            yield tell

    @contextmanager
    def _telling(self, on_progress: Progress | None) -> Iterator[Progress]:
        if on_progress is not None:
            yield on_progress
            return
        with progress_bars.shown() as tell:
            yield tell


def validate(source: str | Path | Sequence[str | Path], settings: Settings) -> Verdicts:
    """The verdicts on files that need not belong to a workspace, within the limits of the settings."""
    from qrag_lib import documents

    verdicts: list[Verdict] = []
    with progress_bars.shown() as tell:
        for verdict in documents.validate(source, documents.Limits.of(settings)):
            verdicts.append(verdict)
            tell("read", len(verdicts))
    return Verdicts(tuple(verdicts))


def _taken_up(value: Any) -> Any:
    """Paths as they are found from anywhere, an address as it is; None for what only a program has."""
    if isinstance(value, list | tuple) and all(isinstance(each, str | Path) for each in value):
        return [_taken_up(each) for each in value]
    if isinstance(value, str | Path):
        return str(Path(value).absolute()) if Path(value).exists() else str(value)
    return None


def _make(folder: Path, create: bool) -> None:
    if not create:
        raise WorkspaceNotFound(
            _("there is no workspace in {folder}").format(folder=folder),
            hint=_("qrag ingest FOLDER makes one; -w names another place"),
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceNotFound(
            _("no workspace can be made in {folder}: {error}").format(folder=folder, error=error.strerror),
            hint=_("name a folder that you may write, by -w or QRAG_WORKSPACE"),
        ) from error
