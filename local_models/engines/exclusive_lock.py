"""One text at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from local_models.errors import GenerationFailed
from local_models.interface.messages import _


class Turn:
    """What an engine lets one thread have at a time; the others wait."""

    def __init__(self) -> None:
        self._lock, self._writer = threading.Lock(), 0

    @contextmanager
    def taken(self, name: str) -> Iterator[None]:
        """Have it. Raises GenerationFailed where this thread has it already, and would wait for itself."""
        if self._lock.locked() and self._writer == threading.get_ident():
            raise GenerationFailed(
                _("{name} is writing another text in this thread").format(name=name),
                hint=_("read that one to its end, or close it"),
            )
        with self._lock:
            self._writer = threading.get_ident()
            try:
                yield
            finally:
                self._writer = 0
