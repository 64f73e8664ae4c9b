"""The embedding models that the indexes of a workspace were made with, each opened once: here, or in a worker."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from qrag_lib.catalog import Index
from qrag_lib.errors import ModelError, ModelUnavailable
from qrag_lib.i18n import _
from qrag_lib.settings import Settings

if TYPE_CHECKING:
    from local_models.embedding.embedder import Embedder

SOON_S: Final = 0.5  # a load that takes longer is told
Wanted = tuple[str, str, str]  # address, prefix of questions, prefix of passages


class Embedders:
    """Opens models when they are first needed, by address and prefixes.

    In a worker where memory is short, for it can give its memory back, and where the settings say so, for it
    stays when this process ends. tell: is told what is loaded when it takes longer than SOON_S.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: dict[Wanted, Embedder] = {}
        self._begun: dict[Wanted, Future[Embedder]] = {}
        self.tell: Callable[[str], None] | None = None

    def begin(self, index: Index) -> None:
        """Let a worker load the model of an index while this process does what it can without; else nothing."""
        wanted = _wanted(index)
        if wanted not in self._loaded and self._in_worker():
            self._begun[wanted] = _beside(partial(self._hosted, wanted))

    def load(self, address: str, query_prefix: str = "", passage_prefix: str = "") -> Embedder:
        """The model at an address. Raises ModelError where it cannot be loaded."""
        wanted = (address, query_prefix, passage_prefix)
        if wanted not in self._loaded:
            with self._telling(address):
                self._loaded[wanted] = self._open(wanted)
        return self._loaded[wanted]

    def of(self, index: Index) -> Embedder:
        """The model that an index was made with. Raises ModelError where it is another now."""
        found = self.load(*_wanted(index))
        if found.model_id != index.model_id:
            raise ModelError(
                _("the index was made with {wanted}; {address} is now {found}").format(
                    wanted=index.model_id, address=index.config.model, found=found.model_id
                ),
                hint=_("put that model back, or run qrag reindex"),
            )
        return found

    def _open(self, wanted: Wanted) -> Embedder:
        begun = self._begun.pop(wanted, None)
        if begun is None and not self._in_worker():
            return self._here(wanted)
        try:
            return begun.result() if begun else self._hosted(wanted)
        except (ModelUnavailable, OSError):  # no room for sockets or locks, no process to be had
            return self._instead(wanted)

    def _in_worker(self) -> bool:
        """Where torch is in this process already, a model is no burden here."""
        from local_models.clients.memory_pressure import is_short

        if "torch" in sys.modules or self._settings.worker == "never":
            return False
        return self._settings.worker == "always" or is_short()

    def _hosted(self, wanted: Wanted) -> Embedder:
        from local_models.worker.hosted_embedder import open_hosted_embedding

        address, query_prefix, passage_prefix = wanted
        return open_hosted_embedding(
            address,
            self._settings.models_folder,
            query_prefix=query_prefix or None,
            passage_prefix=passage_prefix or None,
            idle_s=self._settings.worker_idle_s,
            instead=partial(self._instead, wanted),
        )

    def _instead(self, wanted: Wanted) -> Embedder:
        """The model in this process, where no worker can be had. Where memory is short, the error stands."""
        from local_models.clients.memory_pressure import is_short

        if is_short():
            raise
        return self._here(wanted)

    def _here(self, wanted: Wanted) -> Embedder:
        from local_models.embedding.sentence_embedding import open_embedding

        address, query_prefix, passage_prefix = wanted
        return open_embedding(address, query_prefix=query_prefix or None, passage_prefix=passage_prefix or None)

    @contextmanager
    def _telling(self, address: str) -> Iterator[None]:
        text = _("Loading the embedding model {name}…").format(name=address)
        clock = threading.Timer(SOON_S, self.tell or _nothing, [text])
        clock.daemon = True
        clock.start()
        try:
            yield
        finally:
            clock.cancel()


def _wanted(index: Index) -> Wanted:
    return index.config.model, index.config.query_prefix, index.config.passage_prefix


def _beside(job: Callable[[], Embedder]) -> Future[Embedder]:
    """What the job gives, done by a thread that the end of the process does not wait for."""
    future: Future[Embedder] = Future()

    def run() -> None:
        try:
            future.set_result(job())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="qrag embedder", daemon=True).start()
    return future


def _nothing(text: str) -> None:
    pass
