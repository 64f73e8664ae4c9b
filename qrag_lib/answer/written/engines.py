"""The engines that the workbench opens: those of `local_models`, and one that quotes and needs no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_models.engines import open_engine as engines

if TYPE_CHECKING:
    from local_models.configuration import Configuration
    from local_models.engines.generation import Engine
    from qrag_lib.settings import Settings


def open_engine(address: str, settings: Settings) -> Engine:
    """The model at an address, without LlamaIndex around it; see `local_models.engines.open_engine`."""
    return engines.open_engine(address, settings.engine)


def resolved(address: str, settings: Settings) -> tuple[str, str]:
    """The address itself, and for `auto:` the one that it stands for here and now, with the reason ("" for others)."""
    return engines.resolved(address, settings.engine)


def check_address(address: str, settings: Settings) -> None:
    """Raise SettingsError for an address of no known scheme, NotFound for one that names nothing on this disk."""
    engines.check_address(address, settings.engine)


def _extractive(_place: str, _config: Configuration) -> Engine:
    from qrag_lib.answer.written.extractive import ExtractiveEngine

    return ExtractiveEngine()


engines.ENGINES["extractive"] = _extractive
