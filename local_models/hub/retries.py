"""Trying again after something was changed: what failed, what was done about it, and no more often than a few times.

::

    No space left on device      what is provably useless goes, what else could go is said   hub.download
    Out of memory                a smaller plan, in a fresh worker                           worker.recovery
    Permission denied on locks   without lock files and without symbolic links               hub.download
    Device map error             the weights stay on the disk                                worker.recovery

A remedy takes the plan that failed and gives the plan to try next, or None where it has none.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from local_models.errors import DiskFull
from local_models.interface.messages import _

Plan = TypeVar("Plan")
Result = TypeVar("Result")
Say = Callable[[str], object]
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Remedy(Generic[Plan]):
    """What to do about one fault. name: the fault, as people are told; times: how often it may be tried.

    fits: whether an error is this fault; change: the plan to try next, None where there is none.
    """

    name: str
    fits: Callable[[BaseException], bool]
    change: Callable[[Plan, BaseException], Plan | None]
    times: int = 1


def recovered(
    attempt: Callable[[Plan], Result], plan: Plan, remedies: Sequence[Remedy[Plan]], say: Say = lambda text: None
) -> Result:
    """What the attempt returns, after as many changes of the plan as the remedies allow.

    say: told each fault and each new try, in the interface language. The error that no remedy answers
    is raised as it came, with a note of what was tried.
    """
    left = [remedy.times for remedy in remedies]
    tried: list[str] = []
    while True:
        try:
            return attempt(plan)
        except Exception as error:
            found = next((i for i, r in enumerate(remedies) if left[i] and r.fits(error)), None)
            changed = None if found is None else remedies[found].change(plan, error)
            if found is None or changed is None:
                _note(error, tried)
                raise
            left[found] -= 1
            plan = changed
            tried.append(remedies[found].name)
            say(_("{fault}: trying again").format(fault=remedies[found].name))


def is_no_room(error: BaseException) -> bool:
    """True for a full disk, a used up quota, and a limit on the size of files."""
    return isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in NO_ROOM)


def _note(error: BaseException, tried: Sequence[str]) -> None:
    if tried:
        error.add_note(_("tried before: {what}").format(what=", ".join(tried)))
