"""The embedding models that the indexes of a workspace were made with, each loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qrag_lib.errors import ModelError
from qrag_lib.i18n import _
from qrag_lib.rag.catalog import Index
from qrag_lib.settings import Settings

if TYPE_CHECKING:
    from qrag_lib.models.embedding import TransformerEmbedding


class Embedders:
    """Opens models by address when they are first needed. Prefixes come from the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: dict[str, TransformerEmbedding] = {}

    def load(self, address: str) -> TransformerEmbedding:
        """The model at an address. Raises ModelError where it cannot be loaded."""
        from qrag_lib.models.embedding import open_embedding

        if address not in self._loaded:
            self._loaded[address] = open_embedding(
                address,
                query_prefix=self._settings.embedding_query_prefix or None,
                passage_prefix=self._settings.embedding_passage_prefix or None,
            )
        return self._loaded[address]

    def of(self, index: Index) -> TransformerEmbedding:
        """The model that an index was made with. Raises ModelError where it is another now."""
        found = self.load(index.config.model)
        if found.model_id != index.model_id:
            raise ModelError(
                _("the index was made with {wanted}; {address} is now {found}").format(
                    wanted=index.model_id, address=index.config.model, found=found.model_id
                ),
                hint=_("put that model back, or run qrag reindex"),
            )
        return found
