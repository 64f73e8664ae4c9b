"""The embedding models that the indexes of a workspace were made with, each loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qrag_lib.errors import ModelError
from qrag_lib.i18n import _
from qrag_lib.rag.catalog import Index

if TYPE_CHECKING:
    from qrag_lib.models.embedding import TransformerEmbedding


class Embedders:
    """Opens models when they are first needed, by address and prefixes."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str, str], TransformerEmbedding] = {}

    def load(self, address: str, query_prefix: str = "", passage_prefix: str = "") -> TransformerEmbedding:
        """The model at an address. Raises ModelError where it cannot be loaded."""
        from qrag_lib.models.embedding import open_embedding

        wanted = (address, query_prefix, passage_prefix)
        if wanted not in self._loaded:
            self._loaded[wanted] = open_embedding(
                address, query_prefix=query_prefix or None, passage_prefix=passage_prefix or None
            )
        return self._loaded[wanted]

    def of(self, index: Index) -> TransformerEmbedding:
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
