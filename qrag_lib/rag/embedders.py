"""The embedding models that the indexes of a workspace were made with, each loaded once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qrag_lib.errors import ModelError
from qrag_lib.i18n import _
from qrag_lib.rag.catalog import Index
from qrag_lib.settings import Settings

if TYPE_CHECKING:
    from qrag_lib.models.encoder import Embedder


class Embedders:
    """Opens models when they are first needed, by address and prefixes: here, or where memory is short in a worker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: dict[tuple[str, str, str], Embedder] = {}

    def load(self, address: str, query_prefix: str = "", passage_prefix: str = "") -> Embedder:
        """The model at an address. Raises ModelError where it cannot be loaded."""
        wanted = (address, query_prefix, passage_prefix)
        if wanted not in self._loaded:
            self._loaded[wanted] = self._open(address, query_prefix or None, passage_prefix or None)
        return self._loaded[wanted]

    def of(self, index: Index) -> Embedder:
        """The model that an index was made with. Raises ModelError where it is another now."""
        config = index.config
        found = self.load(config.model, config.query_prefix, config.passage_prefix)
        if found.model_id != index.model_id:
            raise ModelError(
                _("the index was made with {wanted}; {address} is now {found}").format(
                    wanted=index.model_id, address=config.model, found=found.model_id
                ),
                hint=_("put that model back, or run qrag reindex"),
            )
        return found

    def _open(self, address: str, query_prefix: str | None, passage_prefix: str | None) -> Embedder:
        """Where torch is in this process already, the model is no burden; else a worker can give its memory back."""
        from qrag_lib.models.worker.room import is_short

        if "torch" not in sys.modules and is_short():
            from qrag_lib.models.worker.embedder import open_hosted_embedding

            folder, idle_s = self._settings.models_folder, self._settings.worker_idle_s
            return open_hosted_embedding(
                address, folder, query_prefix=query_prefix, passage_prefix=passage_prefix, idle_s=idle_s
            )
        from qrag_lib.models.embedding import open_embedding

        return open_embedding(address, query_prefix=query_prefix, passage_prefix=passage_prefix)
