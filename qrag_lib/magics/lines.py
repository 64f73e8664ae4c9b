"""Questions that end in a question mark reach their magic.

IPython takes a line that ends in `word?` for help, before any magic sees it (ipython 9.18). Here the lines
of our own magics are taken first; `%ask?` alone, and every other line, stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from tokenize import TokenInfo
from typing import TYPE_CHECKING, Any

from IPython.core.inputtransformer2 import EscapedCommand, HelpEnd, MagicAssign, TokenTransformBase

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

ASKING = ("ask", "search", "explain")
_ALONE = re.compile(rf"%%({'|'.join(ASKING)})(?:\s+(.*))?\n?")


class _Ours(TokenTransformBase):
    """A transformer of IPython's, for our magics only, and ahead of the help."""

    priority = HelpEnd.priority - 1

    def __init__(self, start: tuple[int, int]) -> None:
        super().__init__(start)  # type: ignore[no-untyped-call]
        # the help is taken to begin where its line does, and what begins first goes first
        self.magic_col, self.start_col = self.start_col, 0

    @classmethod
    def find(cls, tokens_by_line: Sequence[list[TokenInfo]]) -> Any:
        """The first line that is one of ours; None where there is none."""
        for tokens in tokens_by_line:
            found = super().find([tokens])  # type: ignore[no-untyped-call]
            if found is not None and _asks(tokens, (found.start_line + 1, found.magic_col)):
                return found
        return None

    def transform(self, lines: list[str]) -> Any:
        """The lines with the magic as a call."""
        self.start_col = self.magic_col
        return super().transform(lines)


class Asked(_Ours, EscapedCommand):
    """`%ask When does it open?`."""


class AskedAndKept(_Ours, MagicAssign):
    """`answer = %ask When does it open?`."""


def cell_without_body(lines: list[str]) -> list[str]:
    """`%%ask When does it open?` with nothing below is the question itself: a line magic."""
    match = _ALONE.fullmatch(lines[0]) if lines and not "".join(lines[1:]).strip() else None
    return [f"get_ipython().run_line_magic({match[1]!r}, {(match[2] or '').strip()!r})\n"] if match else lines


def take_questions(shell: InteractiveShell) -> None:
    """Let the shell hand questions to our magics; more than once is once."""
    leave_questions(shell)
    shell.input_transformer_manager.line_transforms.insert(0, cell_without_body)
    shell.input_transformer_manager.token_transformers += [Asked, AskedAndKept]


def leave_questions(shell: InteractiveShell) -> None:
    """Take lines again as IPython does of itself."""
    manager = shell.input_transformer_manager
    manager.line_transforms[:] = [each for each in manager.line_transforms if each is not cell_without_body]
    manager.token_transformers[:] = [each for each in manager.token_transformers if not issubclass(each, _Ours)]


def _asks(tokens: Sequence[TokenInfo], start: tuple[int, int]) -> bool:
    """Whether one of our magics with something behind it begins at `start` (line from 1, column from 0)."""
    here = next(i for i, token in enumerate(tokens) if token.start == start and token.string)
    percent, name, *rest = tokens[here:]
    return percent.string == "%" and name.string in ASKING and name.start == percent.end and not _for_help(rest)


def _for_help(rest: Sequence[TokenInfo]) -> bool:
    return bool(rest) and rest[0].string == "?"
