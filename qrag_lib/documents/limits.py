"""How much a document may cost before it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qrag_lib.settings import Settings

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may take; beyond it the file is refused and the next one is read.

    pages: of a PDF, slides or sheets. seconds, memory_mib: of the child process that parses.
    archive_*: entries, bytes in all, bytes of one entry and expansion of the zip container of an
    office file or e-book, checked on its table of contents before anything is inflated.
    """

    file_bytes: int = 64 * MIB
    pages: int = 5_000
    seconds: float = 18.0
    memory_mib: int = 450
    archive_entries: int = 4_000
    archive_bytes: int = 256 * MIB
    archive_entry_bytes: int = 64 * MIB
    archive_ratio: int = 200

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that the settings name."""
        file_bytes = int(settings.max_file_mib * MIB)
        return cls(file_bytes=file_bytes, seconds=settings.max_read_s, memory_mib=int(settings.max_read_mib))


def mebibytes(n_bytes: int) -> str:
    """Bytes for a person.

    >>> mebibytes(3 * 2**20 // 2)
    '1.5 MiB'
    """
    return f"{n_bytes / MIB:.1f} MiB"
