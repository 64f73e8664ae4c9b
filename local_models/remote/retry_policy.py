"""How long a server is waited for, how often it is asked again, and when it is left alone."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from local_models.errors import ModelUnavailable
from local_models.interface.messages import _, ngettext

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds and tries that a server is given.

    connect_s: to be reached; silence_s: longest pause within an answer; listing_s: before it lists its
    models; asking_s: all tries and pauses together, until the first piece; tries: of one question; pause_s:
    before the second try, doubled each time; failures: questions in a row that fail before it is left alone
    for rest_s.
    """

    connect_s: float = 5.0
    silence_s: float = 120.0
    listing_s: float = 10.0
    asking_s: float = 180.0
    tries: int = 4
    pause_s: float = 0.5
    failures: int = 3
    rest_s: float = 30.0


class Budget:
    """The tries of one question. `clock` in seconds, as time.monotonic."""

    def __init__(self, patience: Patience, clock: Clock = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._until = clock() + patience.asking_s
        self.tries = 0

    def pause(self, wanted_s: float | None = None) -> float | None:
        """Seconds to wait before the next try, None where there is to be none.

        wanted_s: what the server asks for. Otherwise the pause doubles with each try, and is drawn
        from its upper half, so that many clients do not come back together.
        """
        self.tries += 1
        usual = self._patience.pause_s * 2 ** (self.tries - 1) * random.uniform(0.5, 1.0)
        pause = usual if wanted_s is None else max(wanted_s, 0.0)
        allowed = self.tries < self._patience.tries and self._clock() + pause < self._until
        return pause if allowed else None

    def left_s(self) -> float:
        """Seconds left of all tries together."""
        return max(0.0, self._until - self._clock())


class Breaker:
    """Refuses to ask a server that failed several questions in a row, until it has rested; then one may try."""

    def __init__(self, name: str, patience: Patience, clock: Clock = time.monotonic) -> None:
        self._name, self._patience, self._clock = name, patience, clock
        self._failures, self._again = 0, 0.0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise ModelUnavailable while the server is left alone."""
        with self._lock:
            left = self._again - self._clock()
            if self._failures < self._patience.failures:
                return
            if left > 0:
                raise ModelUnavailable(
                    ngettext(
                        "{name} failed {n} time and is left alone for {s:.0f} s more",
                        "{name} failed {n} times in a row and is left alone for {s:.0f} s more",
                        self._failures,
                    ).format(name=self._name, n=self._failures, s=left),
                    hint=_("see whether the server runs; an answer from the documents alone needs none: extractive:"),
                )
            self._again = self._clock() + self._patience.rest_s  # the others wait for this one's outcome

    def succeeded(self) -> None:
        """A question was answered."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """A question was not answered."""
        with self._lock:
            self._failures += 1
            self._again = self._clock() + self._patience.rest_s
