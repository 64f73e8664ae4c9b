"""What goes wrong with models, and the root of all that is raised on purpose.

::

    QragError                   catch this to catch all of it
    ├── SettingsError           a value of the configuration, or an address, that cannot be used
    ├── NotFound                a model of that name is not there
    ├── DiskFull                no room for what was asked
    └── ModelError              a model cannot be loaded
        ├── ModelRefused        its files lie about themselves, or could run code
        ├── ModelDamaged        a file of it is missing, short, or holds other bytes
        ├── ModelTooLarge       no plan fits the memory that there is
        ├── ModelUnavailable    a server, a worker or the hub does not answer; trying again may help
        └── GenerationFailed    a model began to answer and could not go on

`qrag_lib.errors` has these too, and those of documents and workspaces beside them.
"""

from __future__ import annotations

import sys
import traceback


class QragError(Exception):
    """The root. `hint` is the next act: a command, a setting, a path.

    >>> QragError("no room: 3 MiB free", hint="free space").__notes__
    ['→ free space']
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"→ {hint}")

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: message and hint where the error was just raised, all of it where `%tb` asks later."""
        if sys.exc_info()[1] is not self:
            return _whole(self)
        return [_one_line(self.message), *([f"→ {_one_line(self.hint)}"] if self.hint else [])]


def _whole(error: QragError) -> list[str]:
    """The traceback in the form that the shell is set to (`%xmode`)."""
    from IPython import get_ipython

    if (shell := get_ipython()) is None:
        return traceback.format_exception(error)
    lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
    return lines


def _one_line(text: str) -> str:
    """The text with every character that a screen would obey as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class SettingsError(QragError):
    """A setting has a value that cannot be used."""


class NotFound(QragError):
    """Something that was named is not there: a model, a document, a chunk, an index, a question set."""


class DiskFull(QragError):
    """There is no room on the disk for what was asked."""


class ModelError(QragError):
    """A model cannot be loaded, or is not the one the index was made with."""


class ModelRefused(ModelError):
    """A model's files lie about themselves, or could run code; nothing of them was loaded."""


class ModelDamaged(ModelError):
    """A file of a model is missing, short, or holds other bytes than it should; `path` names it."""

    def __init__(self, message: str, *, path: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class ModelTooLarge(ModelError):
    """No plan to load the model fits the memory that there is."""


class ModelUnavailable(ModelError):
    """A server, a worker or the hub does not answer; trying again may help."""


class GenerationFailed(ModelError):
    """A model began to answer and could not go on; what it had written is lost or cut."""
