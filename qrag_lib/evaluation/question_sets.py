"""Questions with what is right about them: read, checked line by line, and saved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from qrag_lib.errors import EvaluationError, NotFound
from qrag_lib.i18n import _, ngettext
from qrag_lib.types import text_hash

SHOWN_PROBLEMS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what is right: the answers in words, the documents that hold them.

    relevant: ids or names of documents and their grade; relevant above 0.
    answerable: False where the documents do not hold the answer and refusing is right.
    kind: where a question made from the corpus came from; empty otherwise.
    """

    id: str
    text: str
    answers: tuple[str, ...] = ()
    relevant: Mapping[str, float] = field(default_factory=dict)
    answerable: bool = True
    language: str = "und"
    kind: str = ""


@dataclass(frozen=True)
class QuestionSet(Sequence[Question]):
    """Questions in their order. path: where they were read; corpus: the passages beside them, if any."""

    name: str
    questions: tuple[Question, ...]
    path: Path | None = None
    corpus: Path | None = None

    @overload
    def __getitem__(self, index: int) -> Question: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Question]: ...
    def __getitem__(self, index: int | slice) -> Question | Sequence[Question]:
        return self.questions[index]

    def __len__(self) -> int:
        return len(self.questions)

    def __iter__(self) -> Iterator[Question]:
        return iter(self.questions)

    def __str__(self) -> str:
        return ngettext(
            "{name}: {n} question, {relevant} with relevant documents, {unanswerable} without an answer",
            "{name}: {n} questions, {relevant} with relevant documents, {unanswerable} without an answer",
            len(self),
        ).format(
            name=self.name,
            n=len(self),
            relevant=sum(bool(q.relevant) for q in self),
            unanswerable=sum(not q.answerable for q in self),
        )

    @cached_property
    def fingerprint(self) -> str:
        """Name of the questions by their content: two reports can be compared where it is the same."""
        return text_hash("\n".join(_as_line(q) for q in self))

    def head(self, n: int) -> QuestionSet:
        """The set of the first n questions."""
        return replace(self, questions=self.questions[:n])

    def save(self, path: str | Path) -> Path:
        """Write JSON lines that `load_question_set` reads back; the file is replaced whole."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.part")
        draft.write_text("".join(_as_line(q) + "\n" for q in self), encoding="utf-8")
        return draft.replace(path)


def _as_line(question: Question) -> str:
    relevant = dict(question.relevant)
    fields = {
        "id": question.id,
        "text": question.text,
        "answers": list(question.answers),
        "relevant": list(relevant) if all(grade == 1 for grade in relevant.values()) else relevant,
        "answerable": question.answerable,
        "language": question.language,
        "kind": question.kind,
    }
    return json.dumps({key: value for key, value in fields.items() if value not in ("", "und")}, ensure_ascii=False)


def load_question_set(path: str | Path) -> QuestionSet:
    """Questions from a file of JSON lines, or from a folder with `queries.jsonl` and `qrels.tsv`.

    A line is `{"id", "text", "answers", "relevant"}`: `answers` a list of texts, `relevant` a list
    of document ids or names, or `{document: grade}`; also `answerable`, `language`, `kind`. Only
    `text` must be there. In a folder `qrels.tsv` gives what is relevant (query, document, grade).
    Raises NotFound, or EvaluationError that names the lines which cannot be used.
    """
    path = Path(path)
    if path.is_dir():
        return _load_folder(path)
    if not path.is_file():
        raise NotFound(
            _("no question set at {path}").format(path=path),
            hint=_("a file of JSON lines, or a folder with queries.jsonl and qrels.tsv"),
        )
    return QuestionSet(path.stem, _read_questions(path), path)


def _load_folder(folder: Path) -> QuestionSet:
    queries, qrels, corpus = (folder / name for name in ("queries.jsonl", "qrels.tsv", "corpus.jsonl"))
    if not queries.is_file():
        raise NotFound(
            _("no queries.jsonl in {path}").format(path=folder),
            hint=_("a question set is a file of JSON lines, or a folder with queries.jsonl and qrels.tsv"),
        )
    questions = _read_questions(queries, language=_language_of(folder))
    if qrels.is_file():
        grades = _read_qrels(qrels, {q.id for q in questions})
        questions = tuple(replace(q, relevant=grades.get(q.id, q.relevant)) for q in questions)
    return QuestionSet(folder.name, questions, folder, corpus if corpus.is_file() else None)


def _language_of(folder: Path) -> str:
    """What `meta.json` says of the whole set."""
    meta = folder / "meta.json"
    if not meta.is_file():
        return "und"
    try:
        return str(json.loads(meta.read_text("utf-8")).get("lang", "und"))
    except (ValueError, AttributeError) as error:
        raise EvaluationError(_("{path} is not a JSON object: {error}").format(path=meta, error=error)) from error


def _read_questions(path: Path, language: str = "und") -> tuple[Question, ...]:
    problems: list[tuple[int, str]] = []
    questions: dict[str, Question] = {}
    for number, line in _lines(path):
        try:
            question = _question(line, str(number), language)
            if question.id in questions:
                raise ValueError(_("the id {id} was there before").format(id=repr(question.id)))
        except ValueError as error:
            problems.append((number, str(error)))
        else:
            questions[question.id] = question
    _check(path, problems, n_good=len(questions))
    return tuple(questions.values())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EvaluationError(
            _("{path} is not UTF-8: {error}").format(path=path, error=error), hint=_("save it as UTF-8")
        ) from error
    # not splitlines: it also cuts at U+2028, which JSON allows inside a text
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def _question(line: str, number: str, language: str) -> Question:
    """The question of a line; ValueError with what is wrong."""
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(_("not JSON ({error})").format(error=error)) from error
    if not isinstance(fields, dict):
        raise ValueError(_("not an object"))
    text, answerable = fields.get("text"), fields.get("answerable", True)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(_("`text` must be a text that is not empty"))
    if not isinstance(answerable, bool):
        raise ValueError(_("`answerable` must be true or false"))
    return Question(
        id=_id(fields.get("id", number)),
        text=text,
        answers=_answers(fields.get("answers", [])),
        relevant=_relevant(fields.get("relevant", [])),
        answerable=answerable,
        language=str(fields.get("language", language)),
        kind=str(fields.get("kind", "")),
    )


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(_("`id` must be a text"))
    return str(value)


def _answers(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(answer, str) for answer in value):
        raise ValueError(_("`answers` must be a list of texts"))
    return tuple(value)


def _relevant(value: Any) -> dict[str, float]:
    if isinstance(value, dict) and all(_is_number(grade) for grade in value.values()):
        return {str(id): float(grade) for id, grade in value.items()}
    if isinstance(value, list):
        return {_id(id): 1.0 for id in value}
    raise ValueError(_("`relevant` must be a list of documents, or their grades by document"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_qrels(path: Path, known: set[str]) -> dict[str, dict[str, float]]:
    """{question id: {document: grade}} of a table of (question, document, grade), a head line or none."""
    problems: list[tuple[int, str]] = []
    grades: dict[str, dict[str, float]] = {}
    for number, line in _lines(path):
        cells = line.rstrip("\r").split("\t")
        if number == 1 and cells[-1].strip() == "score":
            continue
        try:
            query, document, grade = cells[0], cells[1], float(cells[2])
        except (IndexError, ValueError):
            problems.append((number, _("not three columns: question, document, grade")))
            continue
        if query not in known:
            problems.append((number, _("no question has the id {id}").format(id=repr(query))))
        grades.setdefault(query, {})[document] = grade
    _check(path, problems, n_good=len(grades))
    return grades


def _check(path: Path, problems: Sequence[tuple[int, str]], n_good: int) -> None:
    """Raise EvaluationError where a line cannot be used, or none can."""
    if problems:
        shown = [_("line {number}: {problem}").format(number=n, problem=p) for n, p in problems[:SHOWN_PROBLEMS]]
        raise EvaluationError(
            ngettext(
                "{path}: {n} line cannot be used: {lines}", "{path}: {n} lines cannot be used: {lines}", len(problems)
            ).format(path=path, n=len(problems), lines=_joined(shown)),
            hint=_("mend these lines; nothing was run"),
        )
    if not n_good:
        raise EvaluationError(_("{path} holds no question").format(path=path))


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(parts)
