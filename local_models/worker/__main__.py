"""The worker itself: `python -m local_models.worker ORDER`."""

from __future__ import annotations

import sys

from local_models.worker.factories import FACTORIES
from local_models.worker.server import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], FACTORIES))
