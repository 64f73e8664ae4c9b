"""How a command line is taken apart: questions without quotes, and mistakes told in one line with the next step."""

from __future__ import annotations

import re
from argparse import Action, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from local_models.interface import suggest
from local_models.interface.reached import as_reached
from qrag_lib.cli.exits import Exit
from qrag_lib.i18n import _
from qrag_lib.show import line

_EVERYTHING = "--"  # what comes after it is words, whatever it looks like


class _Formatter(RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=80)

    def add_usage(self, usage: Any, actions: Iterable[Any], groups: Iterable[Any], prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, _("usage: ") if prefix is None else prefix)

    def _format_action(self, action: Action) -> str:
        text = super()._format_action(action)
        # the commands stand under their title; the word "command" above them says nothing
        return text.split("\n", 1)[1] if action.dest in ("verb", "model_verb") else text

    def _format_args(self, action: Action, default_metavar: str) -> str:
        return "question ..." if action.dest == "question" else super()._format_args(action, default_metavar)


class Parser(ArgumentParser):
    """Speaks the interface language; a mistake is one line, a hint, and exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, add_help=False, allow_abbrev=False, **options)
        self._positionals.title, self._optionals.title = _("arguments"), _("options")
        self._asks = self._mixing = False
        self.add_argument("-h", "--help", action="help", help=_("show this help"))

    def add_question(self, help: str) -> None:
        """Take the words of a question, wherever the options stand between them."""
        self.add_argument("question", nargs="*", help=help)
        self._asks = True

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """As argparse does it; a verb is asked for its own mistakes, so that their hint is its own."""
        if self._mixing or args is None:
            return super().parse_known_args(args, namespace)
        found, unknown = self._mixed(list(args), namespace) if self._asks else super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def _mixed(self, args: list[str], namespace: Namespace | None) -> tuple[Namespace, list[str]]:
        end = args.index(_EVERYTHING) if _EVERYTHING in args else len(args)
        self._mixing = True
        try:
            found, unknown = self.parse_known_intermixed_args(args[:end], namespace)
        finally:
            self._mixing = False
        found.question = [*found.question, *args[end + 1 :]]
        if not (unknown or found.question):
            self.error("the following arguments are required: question")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Leave with the mistake in one line and what to do in the next."""
        hint = as_reached(_("{command} --help lists what can be written").format(command=self.prog))
        near = self._meant(message)
        self.exit(Exit.USAGE, f"qrag: {line(_said(message))}\n→ {f'{line(near)} ' if near else ''}{hint}\n")

    def _meant(self, message: str) -> str:
        """What was probably meant by a name that is not known, "" where nothing is near."""
        if unknown := re.search(r"unrecognized arguments: (\S+)", message):
            known = [name for name in self._option_string_actions if name.startswith("--")]
            return suggest.meant(unknown[1].partition("=")[0], known)
        if wrong := re.search(r"invalid choice: '(.+?)' \(choose from (.+)\)", message):
            return suggest.meant(wrong[1], re.findall(r"[\w-]+", wrong[2]))
        return ""


def _said(message: str) -> str:
    patterns = (
        (r"the following arguments are required: (.+)", _("missing: {0}")),
        (r"unrecognized arguments: (.+)", _("not known: {0}")),
        (r"argument (?!-)\S+: invalid choice: '(.+?)' \(choose from (.+)\)", _("there is no command {0}")),
        (r"argument (.+): invalid choice: '(.+?)' \(choose from (.+)\)", _("{0} cannot be {1}; choose from {2}")),
        (r"argument (.+): expected .*argument.*", _("{0} needs a value")),
        (r"argument (.+): invalid \S+ value: .+", _("{0} needs a number")),
        (r"argument -\S*: (.+)", "{0}"),
    )
    for pattern, said in patterns:
        if match := re.fullmatch(pattern, message, re.DOTALL):
            return said.format(*match.groups())
    return message
