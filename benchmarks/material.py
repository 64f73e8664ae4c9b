"""Where the documents and question sets lie that are measured on; they are no part of this project."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.machine import ROOT

DATA = Path(os.environ.get("QRAG_TEST_DATA", ROOT.parent / "shared" / "data"))
DOCUMENTS = "docs/eips-en"


class NoMaterial(Exception):
    """What is to be measured on is not there."""


def find(name: str) -> Path:
    """A folder of the material. Raises NoMaterial where it is absent."""
    folder = DATA / name
    if not folder.is_dir():
        raise NoMaterial(f"there is no {folder}; set QRAG_TEST_DATA to the folder that holds {name}")
    return folder
