"""`python -m qrag_lib` is the command `qrag`."""

from __future__ import annotations

import sys

from qrag_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
