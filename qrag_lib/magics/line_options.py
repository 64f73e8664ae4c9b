"""What may be written in front of a question, or behind it: `--k 3`, `--model ADDRESS`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from qrag_lib.errors import QragError
from qrag_lib.i18n import _
from qrag_lib.show import line

_VALUE = r"(?:\"[^\"]*\"|'[^']*'|\S+)"
_IN_FRONT = re.compile(rf"\s*--?([a-z][\w-]*)(?:[ \t]*=[ \t]*|[ \t]+|$)({_VALUE})?\s*", re.IGNORECASE)
# behind a question the value must look like one: "what does --model do?" is a question
_BEHIND: Mapping[str, str] = {
    "k": r"\d+",
    "model": r"(?:\"[^\"]+\"|'[^']+'|[a-z]+:\S*)",
    "document": _VALUE,
    "phrase": _VALUE,
}


def take_options(given: str, magic: str, known: Mapping[str, Callable[[str], object]]) -> tuple[dict[str, object], str]:
    """The options of a magic by name, and the question without them.

    known: what makes a value of the text behind each option. Raises QragError for another option in front
    of the question, or a value that cannot be used.

    >>> take_options("--k 3 When does it open?", "ask", {"k": int})
    ({'k': 3}, 'When does it open?')
    >>> take_options("what does --model do?", "ask", {"model": str})
    ({}, 'what does --model do?')
    """
    texts, question = _in_front(given, magic, known)
    behind, question = _behind(question, known)
    return {name: _value(name, text, known[name]) for name, text in {**texts, **behind}.items()}, question


def _in_front(given: str, magic: str, known: Mapping[str, object]) -> tuple[dict[str, str], str]:
    texts: dict[str, str] = {}
    while match := _IN_FRONT.match(given):
        name = match[1]
        if name not in known:
            listed = ", ".join(f"--{each}" for each in known)
            message = _("%{magic} has no option --{name}").format(magic=magic, name=line(name))
            raise QragError(message, hint=_("it has {options}; the question stands behind them").format(options=listed))
        texts[name], given = match[2] or "", given[match.end() :]
    return texts, given.strip()


def _behind(question: str, known: Mapping[str, object]) -> tuple[dict[str, str], str]:
    shapes = "|".join(rf"--?(?:{name})(?:\s*=\s*|\s+){_BEHIND[name]}" for name in known)
    match = re.search(rf"(?:^|\s)((?:{shapes})(?:\s+(?:{shapes}))*)\s*$", question)
    if not match:
        return {}, question
    pairs = re.findall(rf"--?([a-z]+)(?:\s*=\s*|\s+)({_VALUE})", match[1])
    return dict(pairs), question[: match.start()].strip()


def _value(name: str, text: str, made: Callable[[str], object]) -> object:
    bare = text[1:-1] if text[:1] in ("'", '"') and text[-1:] == text[:1] else text
    try:
        if bare:
            return made(bare)
    except ValueError:
        pass
    message = _("--{name} cannot be {value}").format(name=name, value=repr(line(bare)))
    raise QragError(message, hint=_("write its value behind it: --k 3, --model offload:FOLDER, --document NAME"))
