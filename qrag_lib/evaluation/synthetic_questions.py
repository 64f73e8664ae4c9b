"""A question set that the corpus poses to itself: headings, definitions, FAQ lines and cloze; no model.

Such questions share words with the text they came from, so they flatter lexical search. They
tell two configurations of one corpus apart and catch a search that broke; how good a search is
in absolute terms only people's questions can tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise, zip_longest

from qrag_lib.errors import EvaluationError
from qrag_lib.evaluation.question_sets import Question, QuestionSet
from qrag_lib.i18n import _
from qrag_lib.language import detect, sentences, terms
from qrag_lib.types import Chunk, Document, text_hash

KINDS = ("faq", "definition", "heading", "cloze")
MOST_DOCUMENTS = 3  # a question that more documents answer tells nothing
BLANK = "____"
CLOZE_WORDS = range(8, 36)
CLOZE_REACH = 12  # words kept on either side of the blank

MARKUP = re.compile(r"[|{}<>\\=]|```|//|\]\(|^(?:#|[*+-] |\W*$)")
FAQ = re.compile(r"^[\W\d]*(?P<question>(?:\S+ ){2,24}\S+\?)\W*$")
EN_TERM = r"(?P<term>(?:(?:The|An?) \w|[A-Z]\w)[\w'’./-]*(?: [\w'’./-]+){0,4}?)"
PT_TERM = r"(?P<term>(?:(?:[OA]s?|Uma?) \w|[A-ZÀ-Ý]\w)[\w'’./-]*(?: [\w'’./-]+){0,4}?)"
EN_DEFINITION = re.compile(EN_TERM + r" (?P<verb>is|are|was|were) (?P<said>(?:an?|the|one of|any) [^:]{20,300})")
EN_MEANING = re.compile(EN_TERM + r" (?:refers to|denotes|stands for) (?P<said>.{20,300})")
PT_DEFINITION = re.compile(
    PT_TERM + r" (?P<verb>é|são|era|eram|foi|foram) (?P<said>(?:uma?|[oa]s?|uns|umas|qualquer|toda?) [^:]{20,300})"
)
PT_MEANING = re.compile(
    r"(?:Entende-se por|Denomina-se) (?P<term>(?:[oa]s? )?\w[\w'’./-]*(?: [\w'’./-]+){0,3}?),? "
    r"(?P<said>(?:o|a|os|as|um|uma|todo|toda|qualquer) .{20,300})"
)
LEADING_ARTICLES = ("The", "A", "An", "O", "As", "Os", "Um", "Uma")
NUMBER = re.compile(r"(?<![\w.,/-])\d{2,}(?:[.,]\d+)*(?![\w/-])")
NAME = re.compile(r"(?<=[a-zà-ÿ,] )[A-ZÀ-Ý][a-zà-ÿ]{3,}(?: (?:d[aeo]s? |of )?[A-ZÀ-Ý][a-zà-ÿ]{2,})*(?!\w)")
# a term with one of these is nothing outside its paragraph, or is no term
POINTING = re.compile(
    r"\b(?:"
    r"it|this|that|these|those|there|here|he|she|they|we|you|his|her|its|their|our|what|which|who|when|where|"
    r"how|if|today|now|then|one|another|other|each|all|both|above|below|following|latter|former|first|second|"
    r"such|ele|ela|eles|elas|isto|isso|aquilo|este|esta|estes|estas|esse|essa|esses|essas|aquele|aquela|seu|"
    r"sua|seus|suas|deste|desta|destes|destas|desse|dessa|desses|dessas|neste|nesta|nesse|nessa|há|não|que|"
    r"qual|quem|quando|onde|como|se|hoje|agora|então|assim|outro|outra|outros|outras|cada|tal|tudo|todos|acima|"
    r"abaixo|seguinte|is|are|was|were|é|são|era|foi"
    r")\b",
    re.IGNORECASE,
)
# a term does not begin with one of these
OPENING = re.compile(
    r"(?:"
    r"in|on|at|for|from|by|with|as|of|and|but|or|not|no|only|some|em|no|na|nos|nas|de|do|da|por|para|com|e|ou|"
    r"mas"
    r")\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Passage:
    document_id: str
    text: str
    headings: tuple[str, ...]
    language: str


@dataclass(slots=True)
class _Candidate:
    """A question that may be asked, and the documents that hold its answer."""

    kind: str
    text: str
    language: str
    answers: dict[str, None] = field(default_factory=dict)
    documents: dict[str, None] = field(default_factory=dict)


_Asked = tuple[str, str]  # question, answer ("" where there is none)


def make_questions(corpus: Iterable[Document | Chunk], n: int = 100, name: str = "corpus") -> QuestionSet:
    """At most n questions whose answers stand in the corpus, of the four kinds in turn and spread over the documents.

    The same corpus gives the same questions. A question that more than three documents answer is
    left out. Raises EvaluationError where the corpus yields none.
    """
    candidates = _candidates(_passages(corpus))
    by_kind = [_spread(c for c in candidates if c.kind == kind) for kind in KINDS]
    chosen = [c for c in chain.from_iterable(zip_longest(*by_kind)) if c][:n]
    if not chosen:
        raise EvaluationError(
            _("no question can be made: the documents hold no heading, definition, FAQ line or full sentence"),
            hint=_("ingest documents with running text, or write a question set by hand"),
        )
    return QuestionSet(name, tuple(map(_question, chosen)))


def _passages(corpus: Iterable[Document | Chunk]) -> Iterator[_Passage]:
    for item in corpus:
        if isinstance(item, Chunk):
            language = item.language if item.language != "und" else detect(item.text)
            yield _Passage(item.document_id, item.text, item.headings[-1:], language)
        else:
            headings = tuple(section.label for section in item.sections if section.kind == "heading")
            yield _Passage(item.id, item.text, headings, detect(item.text))


def _candidates(passages: Iterable[_Passage]) -> list[_Candidate]:
    """All questions, each once, in the order of sight; those with too many documents left out."""
    seen: dict[tuple[str, str], _Candidate] = {}
    for passage in passages:
        for kind, ask in ASKING.items():
            for text, answer in ask(passage):
                found = seen.setdefault((kind, text.lower()), _Candidate(kind, text, passage.language))
                found.documents[passage.document_id] = None
                if answer:
                    found.answers[answer] = None
    return [c for c in seen.values() if len(c.documents) <= MOST_DOCUMENTS]


def _spread(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """The candidates in an order by chance that content decides: one of each document, then a second, ..."""
    taken: dict[str, int] = {}
    ranked: list[tuple[int, _Candidate]] = []
    for candidate in sorted(candidates, key=lambda c: text_hash(c.text)):
        document = next(iter(candidate.documents))
        taken[document] = taken.get(document, 0) + 1
        ranked.append((taken[document], candidate))
    return [candidate for _turn, candidate in sorted(ranked, key=lambda pair: pair[0])]


def _question(candidate: _Candidate) -> Question:
    return Question(
        id=text_hash(candidate.kind + candidate.text)[:12],
        text=candidate.text,
        answers=tuple(candidate.answers),
        relevant=dict.fromkeys(candidate.documents, 1.0),
        language=candidate.language,
        kind=candidate.kind,
    )


def _from_headings(passage: _Passage) -> Iterator[_Asked]:
    """Headings of two to twelve words that mean something by themselves."""
    for heading in passage.headings:
        text = " ".join(heading.split())
        if 2 <= len(text.split()) <= 12 and len(terms(text, passage.language)) >= 2 and not MARKUP.search(text):
            yield text, ""


def _from_faq(passage: _Passage) -> Iterator[_Asked]:
    """Lines that ask, answered by the sentence after them."""
    lines = [line.strip() for line in passage.text.splitlines() if line.strip()]
    for line, following in pairwise(lines):
        match = FAQ.match(line)
        if match and not MARKUP.search(line) and not MARKUP.search(following) and not following.endswith("?"):
            yield match["question"], _first_sentence(following, passage.language)


def _from_definitions(passage: _Passage) -> Iterator[_Asked]:
    """Sentences that say what something is."""
    portuguese = passage.language == "pt"
    for sentence in _plain_sentences(passage):
        for pattern in (PT_DEFINITION, PT_MEANING) if portuguese else (EN_DEFINITION, EN_MEANING):
            match = pattern.match(sentence)
            if match and _stands_alone(match["term"], passage.language):
                verb = match.groupdict().get("verb") or ("é" if portuguese else "is")
                ask = "O que" if portuguese else "What"
                yield f"{ask} {verb} {_uncapped(match['term'])}?", match["said"].rstrip(" .;!?")


def _from_cloze(passage: _Passage) -> Iterator[_Asked]:
    """Sentences with a number or a name left out."""
    for sentence in _plain_sentences(passage):
        match = NUMBER.search(sentence) or NAME.search(sentence)
        if match and len(sentence.split()) in CLOZE_WORDS and sentence.count(match[0]) == 1:
            before, after = sentence[: match.start()].split(" "), sentence[match.end() :].split(" ")
            yield " ".join(before[-CLOZE_REACH:]) + BLANK + " ".join(after[:CLOZE_REACH]), match[0]


def _plain_sentences(passage: _Passage) -> Iterator[str]:
    """Sentences without markup, white space folded."""
    for start, end in sentences(passage.text, passage.language):
        sentence = " ".join(passage.text[start:end].split())
        if not MARKUP.search(sentence):
            yield sentence


def _first_sentence(text: str, language: str) -> str:
    spans = sentences(text, language)
    return text[slice(*spans[0])] if spans else ""


def _stands_alone(term: str, language: str) -> bool:
    return not OPENING.match(term) and not POINTING.search(term) and bool(terms(term, language)) and term[-1].isalnum()


def _uncapped(term: str) -> str:
    """The term as it stands inside a sentence: a leading article in lower case."""
    first, space, rest = term.partition(" ")
    return first.lower() + space + rest if first in LEADING_ARTICLES else term


ASKING: dict[str, Callable[[_Passage], Iterator[_Asked]]] = {
    "faq": _from_faq,
    "definition": _from_definitions,
    "heading": _from_headings,
    "cloze": _from_cloze,
}
