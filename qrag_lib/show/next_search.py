"""The command that searches for a question, as it works in the place where it is shown."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Any

from local_models.interface.reached import command
from local_models.interface.sanitize import line


def search_command(question: str, options: Sequence[str] = ()) -> str:
    """What to type to see all that a search finds: a magic, a line of Python, or a command of the shell.

    options: those of the command line that has to be repeated; only the shell knows them.
    """
    asked = line(question)
    shell = _notebook()
    if shell is None or options:
        words = [*options, "--", asked] if asked.startswith("-") else [*options, asked]
        return f"{command()} search {shlex.join(words)}"
    if not _has_magics(shell):
        return f"{_workspace_name(shell) or 'workspace'}.search({asked!r})"
    return f"%search {asked}" if not asked.startswith("-") else f"%%search\n{asked}"


def _notebook() -> Any:
    """The shell of IPython that runs this, or None; nothing is imported for it."""
    there = sys.modules.get("IPython")
    return there.get_ipython() if there is not None else None


def _has_magics(shell: Any) -> bool:
    """Whether `%search` is ours, and has a workspace that is open."""
    verbs = shell.magics_manager.registry.get("Verbs")
    return getattr(verbs, "_workspace", None) is not None


def _workspace_name(shell: Any) -> str | None:
    """The name under which the notebook holds a workspace."""
    named = shell.user_ns.items()
    return next((name for name, value in named if name[0] != "_" and _is_workspace(value)), None)


def _is_workspace(value: object) -> bool:
    return type(value).__module__ == "qrag_lib.workspace" and type(value).__name__ == "Workspace"
