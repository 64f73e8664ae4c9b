"""The experiment of `experiments/retrieval_baseline`, run as a benchmark."""

from __future__ import annotations

from experiments.retrieval_baseline.run import run

__all__ = ["run"]
