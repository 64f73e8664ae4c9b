"""What may be written on the command line."""

from __future__ import annotations

import re
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from qrag_lib.cli import model
from qrag_lib.cli.exits import listed
from qrag_lib.cli.parser import Parser
from qrag_lib.i18n import _
from qrag_lib.show import line
from qrag_lib.types import Filter, Operator, Value

MODES = ("hybrid", "dense", "lexical", "rrf")
_TEXT_KEYS = ("document", "name", "language", "page", "source")
_OPERATORS: dict[str, Operator] = {
    "!=": "!=",
    ">=": ">=",
    "<=": "<=",
    "==": "==",
    "=": "==",
    ">": ">",
    "<": "<",
    "~": "contains",
}
_CONDITION = re.compile(r"\s*([^!<>=~\s]+)\s*(!=|>=|<=|==|=|>|<|~)\s*(.*?)\s*", re.DOTALL)


def parse(arguments: Sequence[str]) -> Namespace:
    """The options, each with a value; leaves with exit code 2 where they cannot be used.

    A question is its words joined. Without a verb the help is printed, and the exit code is 0.
    """
    given = vars(_parser().parse_args(arguments))
    verb = [given["verb"]] if given["verb"] else []
    if not verb or given.get("model_verb", "") is None:
        _parser().parse_args([*verb, "--help"])
    if "question" in given:
        given["question"] = " ".join(given["question"])
    defaults = {"workspace": None, "json": False, "debug": False, "lang": None}
    return Namespace(**{**defaults, **given})


def language_of(arguments: Sequence[str]) -> str | None:
    """The value of --lang, read before the parser is built, for its own texts depend on it.

    >>> language_of(["ask", "--lang", "pt_BR", "why?"])
    'pt_BR'
    """
    for name, value in pairwise([*arguments, ""]):
        if name == "--lang":
            return value
        if name.startswith("--lang="):
            return name.removeprefix("--lang=")
    return None


def condition(text: str) -> Filter:
    """A filter on metadata as it is written: `year>=2020`, `language=pt`, `name~contract`.

    >>> condition("year>=2020")
    Filter(key='year', operator='>=', value=2020)
    """
    match = _CONDITION.fullmatch(text)
    if not match:
        raise ArgumentTypeError(
            _("{text} is not a condition such as year>=2020 or name~contract").format(text=line(text))
        )
    key, operator, value = match.groups()
    return Filter(key, _OPERATORS[operator], value if key in _TEXT_KEYS else _value(value))


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ArgumentTypeError(_("the threshold is {text}; it must be from 0 to 1").format(text=line(text)))
    return number


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def _parser() -> ArgumentParser:
    parser = Parser(prog="qrag", description=_("Ask questions of your own documents; every quote can be checked."))
    parser.add_argument("--version", action="version", version=_version(), help=_("show the version"))
    _common(parser)
    verbs = parser.add_subparsers(dest="verb", prog="qrag", metavar=_("command"), title=_("commands"))
    for add in (_add_sources, _add_questions, _add_documents, _add_upkeep):
        add(verbs)
    model.add(verbs, _verb)
    codes = "\n".join(listed())
    parser.epilog = f"{_('exit codes')}:\n{codes}\n\n" + _("`qrag COMMAND --help` says more of each command.")
    return parser


def _version() -> str:
    from qrag_lib import __version__

    return f"qrag {__version__}"


def _common(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(_("with every command"))
    add = group.add_argument
    folder = _("folder of the workspace (default: the setting workspace)")
    add("-w", "--workspace", metavar=_("FOLDER"), default=SUPPRESS, help=folder)
    add("--json", action="store_true", default=SUPPRESS, help=_("one JSON document on standard output"))
    add("--lang", metavar="LANG", choices=("en", "pt", "pt_BR"), default=SUPPRESS, help=_("interface: en or pt_BR"))
    add("--debug", action="store_true", default=SUPPRESS, help=_("show the traceback of an error"))


def _verb(verbs: Any, name: str, help: str) -> Parser:
    parser: Parser = verbs.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    _common(parser)
    return parser


def _add_sources(verbs: Any) -> None:
    ingest = _verb(verbs, "ingest", _("read documents and index them; what is unchanged costs nothing"))
    ingest.add_argument("source", nargs="+", help=_("folder, file, JSON lines of records, or STIX bundle"))
    ingest.add_argument("--include", metavar="GLOB", action="append", help=_("only files whose name matches"))
    ingest.add_argument("--limit", type=int, metavar="N", help=_("at most so many documents"))
    ingest.add_argument("--keep-missing", action="store_true", help=_("keep documents whose file is gone"))
    validate = _verb(verbs, "validate", _("say which files could be ingested, and why not the others"))
    validate.add_argument("source", nargs="+", help=_("folder or file"))


def _add_questions(verbs: Any) -> None:
    search = _verb(verbs, "search", _("find the passages that fit a question"))
    search.add_question(_("the question; its words need no quotes"))
    search.add_argument("--mode", choices=MODES, default="hybrid", help=_("how passages are ranked (default: hybrid)"))
    ask = _verb(verbs, "ask", _("answer a question in quotes from the documents, or say that they do not hold it"))
    ask.add_question(_("the question; its words need no quotes"))
    ask.add_argument("--threshold", type=_share, metavar="P", help=_("refuse below this confidence, 0 to 1"))
    model = _("let a model write it from the passages: offload:FOLDER, gguf:FILE, openai:URL, auto:")
    ask.add_argument("--model", metavar=_("ADDRESS"), help=model)
    explain = _verb(verbs, "explain", _("say where a passage that should have been found was lost"))
    explain.add_question(_("the question; its words need no quotes"))
    explain.add_argument("--document", metavar=_("NAME"), help=_("the document that should have been found"))
    explain.add_argument("--phrase", metavar=_("TEXT"), help=_("words that should have been found"))
    for parser in (search, ask, explain):
        parser.add_argument("-k", type=int, metavar="N", help=_("number of passages (default: the setting top_k)"))
        condition_help = _("condition on metadata, such as language=pt or year>=2020; may be repeated")
        parser.add_argument("--filter", type=condition, action="append", metavar=_("CONDITION"), help=condition_help)


def _add_documents(verbs: Any) -> None:
    _verb(verbs, "documents", _("list the documents and their state"))
    show = _verb(verbs, "show", _("show the text of a document"))
    show.add_argument("document", help=_("name or id of the document"))
    show.add_argument("--start", type=int, metavar="N", help=_("first character (default: 0)"))
    show.add_argument("--end", type=int, metavar="N", help=_("character before which to stop (default: the end)"))
    forget = _verb(verbs, "forget", _("remove documents everywhere, with a receipt of what was removed"))
    forget.add_argument("document", nargs="+", help=_("names or ids of documents"))


def _add_upkeep(verbs: Any) -> None:
    doctor = _verb(verbs, "doctor", _("look through files, catalogue, vector index and models, and say what is wrong"))
    doctor.add_argument("--repair", action="store_true", help=_("mend what is wrong, without embedding again"))
    evaluate = _verb(verbs, "eval", _("measure search and answers over a set of questions"))
    evaluate.add_argument("questions", help=_("JSON lines of {id, text, answers, relevant}, or a folder"))
    evaluate.add_argument("--model", metavar=_("ADDRESS"), help=_("let this language model write the answers"))
    evaluate.add_argument("-k", type=int, metavar="N", help=_("number of passages (default: the setting top_k)"))
    _verb(verbs, "status", _("say what the workspace holds, and which language models"))
    _verb(verbs, "reindex", _("build the index anew with the present settings, beside the old one"))
    jobs = _verb(
        verbs, "jobs", _("list the ingests, downloads and other jobs of the workspace; watch, end or resume one")
    )
    jobs.add_argument("what", nargs="?", choices=("watch", "cancel", "again"), help=_("what to do with a job"))
    jobs.add_argument("id", nargs="?", help=_("its id, or the beginning of it (default: the latest)"))
    events = _verb(verbs, "events", _("list the latest questions and ingests, as they were noted on this machine"))
    events.add_argument("-n", type=int, metavar="N", default=50, help=_("at most so many (default: 50)"))
    replay = _verb(verbs, "replay", _("ask a question of before again: the same answer, or what differs and why"))
    replay.add_argument("id", help=_("its id, as qrag events lists it"))
    settings = _verb(verbs, "settings", _("list the settings, their values and where they come from"))
    settings.add_argument("--markdown", action="store_true", help=_("as a table for the documentation"))
    _verb(verbs, "demo", _("build a workspace from the samples and ask it four questions"))
