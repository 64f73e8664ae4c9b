"""`python -m benchmarks [ingest] [query] [memory] [retrieval] [--quick]`: measure, and write the report."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import bench_ingest, bench_memory, bench_query, bench_retrieval, machine, report

BENCHMARKS: dict[str, Callable[..., list[report.Result]]] = {
    "ingest": bench_ingest.run,
    "query": bench_query.run,
    "memory": bench_memory.run,
    "retrieval": bench_retrieval.run,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all where none is named")
    parser.add_argument("--quick", action="store_true", help="a minute each: whether it runs, not figures to quote")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    with TemporaryDirectory(prefix="qrag-bench-") as scratch:
        for name in options.names or BENCHMARKS:
            where = machine.describe()
            results = [
                replace(row, machine=str(where), quick=options.quick) for row in BENCHMARKS[name](quick=options.quick)
            ]
            folder = Path(scratch) if options.quick else report.FOLDER
            written = report.keep(results, folder)
            print(written.read_text("utf-8") if options.quick else f"{name}: {written}", flush=True)


if __name__ == "__main__":
    main()
