"""The worker itself: `python -m qrag_lib.models.worker ORDER`."""

from __future__ import annotations

import sys

from qrag_lib.models.worker.factories import FACTORIES
from qrag_lib.models.worker.server import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], FACTORIES))
