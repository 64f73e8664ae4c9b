"""Where and from what a figure was taken."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAST_BF16 = ("amx_bf16", "avx512_bf16")


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor, cores, memory, and the commit that ran on it."""

    cpu: str
    cores: int
    memory_gib: float
    bf16: str
    load: float
    commit: str
    date: str
    packages: str

    def __str__(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, bf16 by {self.bf16}; "
            f"{self.packages}; load before the run {self.load:.1f}; commit {self.commit}, {self.date}"
        )


def describe() -> Machine:
    """This machine, now."""
    flags = _cpuinfo("flags").split()
    packages = ("torch", "transformers", "chromadb", "llama-index-core")
    return Machine(
        cpu=_cpuinfo("model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        bf16=next((flag for flag in FAST_BF16 if flag in flags), "nothing"),
        load=os.getloadavg()[0],
        commit=_commit(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        packages=", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]),
    )


def _cpuinfo(field: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")


def _commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return asked.stdout.strip() or "none"
