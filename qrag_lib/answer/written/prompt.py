"""What a language model is told, as a value with a name, a version and a hash.

A prompt is a file a language, `NAME.LANGUAGE.md`: a name and a version, then a section a text. `rules` and `question`
are needed; `{question}`, `{unknown}` and `{language}` in them are replaced, nothing else is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from qrag_lib.errors import NotFound, SettingsError
from qrag_lib.i18n import _

FOLDER: Final = Path(__file__).parent / "prompts"
GROUNDED: Final = "grounded"
LONGEST: Final = 20_000  # characters of a file
_SECTION = re.compile(r"^# +(.+?) *$", re.MULTILINE)
_HEAD = re.compile(r"^(\w+): *(.+?) *$", re.MULTILINE)
_KNOWN = {"rules", "language", "other language", "passages", "question", "unknown"}


@dataclass(frozen=True)
class Wording:
    """The texts of a prompt in one language.

    language, other: what `{language}` stands for, where the answer is in this language and in one that the prompt
    has no wording for. unknown: the sentence of a model that does not find the answer.
    """

    rules: str
    question: str
    passages: str = ""
    unknown: str = ""
    language: str = ""
    other: str = ""

    def rules_for(self, *, other: bool) -> str:
        """The rules, filled in."""
        return _filled(self.rules, {"unknown": self.unknown, "language": self.other if other else self.language})

    def asked(self, question: str) -> str:
        """The question as it is put; what stands in it is not looked at."""
        return _filled(self.question, {"question": question})


@dataclass(frozen=True)
class Prompt:
    """A prompt in the languages that it has. sha: 12 hexadecimal digits of all of its texts."""

    name: str
    version: str
    wordings: Mapping[str, Wording] = field(repr=False)
    sha: str = ""

    @property
    def identity(self) -> str:
        """Name, version and hash, as an answer carries it.

        >>> load_prompt().identity.startswith("grounded/1 ")
        True
        """
        return f"{self.name}/{self.version} {self.sha}"

    def wording(self, language: str) -> tuple[Wording, bool]:
        """The texts for an answer in a language, and whether they are those of another one."""
        if (own := self.wordings.get(language)) is not None:
            return own, False
        return self.wordings.get("en") or next(iter(self.wordings.values())), True


def load_prompt(name: str = GROUNDED, folder: Path = FOLDER) -> Prompt:
    """The prompt of a name in a folder, in all of its languages. Raises NotFound, SettingsError."""
    files = sorted(folder.glob(f"{name}.*.md")) if re.fullmatch(r"[\w-]+", name) else []
    if not files:
        known = sorted({path.name.partition(".")[0] for path in folder.glob("*.*.md")})
        hint = _("known are: {known}").format(known=", ".join(known))
        raise NotFound(_("there is no prompt {name} in {folder}").format(name=name, folder=folder), hint=hint)
    texts = [path.read_text("utf-8") for path in files]
    read = [_read(text, path) for text, path in zip(texts, files, strict=True)]
    if len(versions := {version for version, _wording in read}) > 1:
        message = _("the languages of the prompt {name} are of several versions: {versions}")
        raise SettingsError(message.format(name=name, versions=", ".join(sorted(versions))))
    wordings = {path.name.split(".")[-2]: wording for path, (_version, wording) in zip(files, read, strict=True)}
    sha = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
    return Prompt(name, versions.pop(), wordings, sha)


def _read(text: str, path: Path) -> tuple[str, Wording]:
    head, *rest = _SECTION.split(text[:LONGEST])
    sections = {title.lower(): body.strip() for title, body in zip(rest[::2], rest[1::2], strict=True)}
    named = dict(_HEAD.findall(head))
    if "version" not in named or not {"rules", "question"} <= sections.keys():
        message = _("{path} is no prompt: it needs a version, and the sections `rules` and `question`")
        raise SettingsError(
            message.format(path=path), hint=_("those that come along are in {folder}").format(folder=FOLDER)
        )
    if unknown := sections.keys() - _KNOWN:
        message = _("{path} has a section that no prompt has: {names}").format(
            path=path, names=", ".join(sorted(unknown))
        )
        raise SettingsError(message, hint=_("the sections are: {names}").format(names=", ".join(sorted(_KNOWN))))
    if "{question}" not in sections["question"]:
        message = _("{path} does not put the question: its section `question` lacks {{question}}").format(path=path)
        raise SettingsError(message, hint=_("write {question} where it belongs"))
    return named["version"], Wording(
        rules=sections["rules"],
        question=sections["question"],
        passages=sections.get("passages", ""),
        unknown=sections.get("unknown", ""),
        language=sections.get("language", ""),
        other=sections.get("other language", sections.get("language", "")),
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its named places filled in one pass: what stands in a value is not looked at."""
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)
