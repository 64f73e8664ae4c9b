"""`python -m benchmarks [ingest] [query] [prompt] [memory] [retrieval] [--quick]`: measure, and write the report.

`python -m benchmarks natural` and `python -m benchmarks faults` have options and a report of their own: see `--help`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import (
    bench_faults,
    bench_ingest,
    bench_memory,
    bench_natural,
    bench_prompt,
    bench_query,
    bench_retrieval,
    machine,
    report,
)
from benchmarks.material import NoMaterial
from benchmarks.processes import EQUAL, BenchmarkFailed

BENCHMARKS: dict[str, Callable[..., list[report.Result]]] = {
    "ingest": bench_ingest.run,
    "query": bench_query.run,
    "prompt": bench_prompt.run,
    "memory": bench_memory.run,
    "retrieval": bench_retrieval.run,
}
COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {"natural": bench_natural.main, "faults": bench_faults.main}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were named, or all; 1 where one could not be run."""
    written = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.update(OFFLINE | EQUAL)
    try:
        _run(written)
    except (BenchmarkFailed, NoMaterial) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(written: Sequence[str]) -> None:
    if written and written[0] in COMMANDS:
        return COMMANDS[written[0]](written[1:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all where none is named")
    parser.add_argument("--quick", action="store_true", help="minutes, not hours: whether it runs, no figures to quote")
    options = parser.parse_args(written)
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in options.names or BENCHMARKS:
        _measure(name, quick=options.quick)


def _measure(name: str, *, quick: bool) -> None:
    """A quick run is printed and forgotten; the others are kept in the report."""
    print(f"{name}: measuring", file=sys.stderr, flush=True)
    where = str(machine.describe())
    results = [replace(row, machine=where, quick=quick) for row in BENCHMARKS[name](quick=quick)]
    with TemporaryDirectory(prefix="qrag-bench-") as scratch:
        written = report.keep(results, Path(scratch) if quick else report.FOLDER)
        print(written.read_text("utf-8") if quick else f"{name}: {written}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
