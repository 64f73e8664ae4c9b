"""A 7B model inside a memory limit: ours beside transformers with accelerate, on the same files and in the same run.

    python -m benchmarks.bench_models [--quick] [--limit MIB] [--prompt N] [--only NAME] [--missing]

Each case is a process of its own in a memory group of its own, page cache dropped before it, and its row is
kept as soon as it ends. The report is made from the last row of each case.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import machine, model_cases, report
from benchmarks.__main__ import OFFLINE
from benchmarks.cgroups import NoCgroup, Ran, run_limited
from benchmarks.checkpoint_7b import DEEPSEEK_7B, DEFAULT_FOLDER, QUICK, STEMS, Format, Shape, write_checkpoint
from benchmarks.disks import NoLoopDevice, drop_page_cache, loop_device, read_ahead_kb
from benchmarks.model_prompts import prompt_of
from benchmarks.model_results import key, results
from benchmarks.processes import EQUAL, MARK, fresh

LIMITS = (512, 1024, 2048, 4096, 8192, 0)  # MiB; 0: none
PROMPTS = (32, 512, 1024)  # tokens
N_NEW = 16
KINDS = ("in memory", "streamed", "drafts", "stock", "int8", "loop streamed", "loop stock", "ask")
STOCK = ("stock", "loop stock")
QUESTION = "What to do after a spill of mercury?"
TIME_LIMIT_S, STOCK_TIME_LIMIT_S = 900.0, 300.0  # stock may not end at all where memory is short
STOCK_BESIDE = 1024  # MiB left for what is not weights, where accelerate is told how much memory there is
BESIDE_WEIGHTS = 2 << 30  # bytes of the loop device for keys and values, and what stock puts there
ROWS = "models.jsonl"


@dataclass(frozen=True, slots=True)
class Case:
    """What runs, in how many MiB (0: as many as there are), after a prompt of how many tokens."""

    kind: str
    limit_mib: int
    n_prompt: int


def cases(kinds: Sequence[str], limits: Sequence[int], prompts: Sequence[int]) -> Iterator[Case]:
    """Those to be run, what the others are compared with first.

    Drafts, int8 and the loop device answer a question of their own: they run with the shortest prompt, drafts
    and int8 with the smallest limit too.
    """
    for kind in KINDS:
        if kind not in kinds:
            continue
        few = kind not in ("in memory", "streamed", "stock")
        chosen = {"in memory": (0,), "drafts": limits[:1], "int8": limits[:1], "ask": limits[:1]}.get(kind, limits)
        chosen = [limit for limit in chosen if limit or kind != "stock"]  # without one, "in memory" is stock
        yield from (Case(kind, limit, n) for limit in chosen for n in (prompts[:1] if few else prompts))


class Bench:
    """The cases of one checkpoint, measured one after the other."""

    format: Format = "safetensors"

    def __init__(self, folder: Path, shape: Shape, rows: Path, time_limit_s: float, n_new: int = N_NEW) -> None:
        self.folder, self.shape, self.rows = folder.absolute(), shape, rows
        self.time_limit_s, self.stock_time_limit_s, self.n_new = time_limit_s, STOCK_TIME_LIMIT_S, n_new
        self.machine = str(machine.describe())

    def run(self, chosen: Sequence[Case]) -> None:
        """Measure them; those on the loop device together, for its file system is made once."""
        write_checkpoint(self.folder, self.shape, format=self.format)
        for case in (case for case in chosen if not case.kind.startswith("loop")):
            self._keep(case, self._measured(case))
        if looped := [case for case in chosen if case.kind.startswith("loop")]:
            self._on_a_loop_device(looped)

    def _measured(self, case: Case) -> dict[str, Any]:
        """One case in a process and a memory group of its own."""
        if case.kind == "int8":
            return self._ran(self._int8(), case, *self._call(case))
        if case.kind != "ask":
            return self._ran(self.folder, case, *self._call(case))
        with TemporaryDirectory(prefix="qrag-bench-") as scratch:
            fresh(model_cases.prepared, scratch)
            return self._ran(self.folder, case, "asked", QUESTION, self.n_new, scratch)

    def _ran(self, folder: Path, case: Case, function: str, prompt: str, *more: str | int) -> dict[str, Any]:
        """What a function of `model_cases` tells of the model in a folder, and how its process ended."""
        name = f"{model_cases.__name__}:{function}"
        command = [sys.executable, "-m", "benchmarks.processes", name, json.dumps([str(folder), prompt, *more])]
        dropped = drop_page_cache(folder)
        limit = case.limit_mib << 20 or None
        timeout_s = self.stock_time_limit_s if case.kind in STOCK else self.time_limit_s
        ran = run_limited(command, limit, timeout_s=timeout_s, environment=_environment())
        digest = sha256(prompt.encode()).hexdigest()[:12]
        facts = {"read_ahead_kb": read_ahead_kb(folder), "all_cache_dropped": dropped, "prompt": digest}
        return _last(ran) | facts | outcome(ran)

    def _call(self, case: Case) -> tuple[Any, ...]:
        """The function that measures a case, and its arguments after the folder."""
        asked = (prompt_of(self.folder, case.n_prompt), self.n_new)
        if case.kind in ("streamed", "loop streamed", "int8", "drafts"):
            return "streamed", *asked, int(case.kind == "drafts")
        # Below 2 GiB accelerate puts every layer on the disk whatever it is told, for it keeps room for the largest.
        told = (case.limit_mib - STOCK_BESIDE) << 20
        device_map = "cpu" if not case.limit_mib else "auto" if told > 0 else "disk"
        return "stock", *asked, device_map, max(0, told)

    def _on_a_loop_device(self, looped: Sequence[Case]) -> None:
        size = sum(path.stat().st_size for path in self.folder.iterdir()) + BESIDE_WEIGHTS
        try:
            with loop_device(self.folder.with_suffix(".loop"), size) as mounted:
                copy = write_checkpoint(mounted / "checkpoint", self.shape, format=self.format)
                for case in looped:
                    self._keep(case, self._ran(copy, case, *self._call(case)))
        except NoLoopDevice as reason:
            for case in looped:
                self._keep(case, {"skipped": str(reason)})

    def _int8(self) -> Path:
        """The int8 store of the checkpoint, made once."""
        from local_models.int8.int8_store import quantize

        out = self.folder.with_name(self.folder.name + "-int8")
        return out if (out / "config.json").exists() else quantize(self.folder, out)

    def _keep(self, case: Case, found: dict[str, Any]) -> None:
        """Append a row, and say in a line what it holds."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        weights = {"shape": asdict(self.shape), "streamed_bytes": self.shape.streamed_bytes, "format": self.format}
        row = asdict(case) | found | weights | {"machine": self.machine, "at": now}
        if plan := row.get("plan"):
            row["plan"] = plan | {"model": Path(plan["model"]).name}  # not where it lay on this machine
        with self.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        told = ("peak_bytes", "first_s", "later_s", "n_pieces", "timed_out", "oom_kills", "skipped", "error")
        print(f"{case}:", {name: row[name] for name in told if row.get(name)}, file=sys.stderr, flush=True)


def _environment() -> dict[str, str]:
    return {**os.environ, **EQUAL, **OFFLINE, "PYTHONPATH": os.pathsep.join(sys.path)}


def _last(ran: Ran) -> dict[str, Any]:
    """What the process told last; nothing where it was killed before it had anything to tell."""
    _before, mark, told = ran.output.rpartition(MARK)
    found: dict[str, Any] = json.loads(told.split("\n")[0]) if mark else {}
    return found


def outcome(ran: Ran) -> dict[str, Any]:
    """How a command ended, for a row."""
    failed = ran.returncode != 0 and not ran.timed_out
    ended: dict[str, Any] = {
        "returncode": ran.returncode,
        "wall_s": ran.wall_s,
        "peak_bytes": ran.peak_bytes,
        "oom_kills": ran.oom_kills,
        "timed_out": ran.timed_out,
    }
    return ended | ({"error": f"ended with {ran.returncode}: {ran.errors[-500:]}"} if failed else {})


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The last row of each case."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return list({key(row): row for row in rows}.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line names, and write the report; 1 where it cannot be measured here."""
    options = _options(arguments)
    os.environ.update(OFFLINE | EQUAL)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="qrag-bench-"))) if options.quick else None
        kept = options.report or scratch or report.FOLDER
        kept.mkdir(parents=True, exist_ok=True)
        rows = kept / ROWS
        folder = options.folder or (scratch / "checkpoint" if scratch else DEFAULT_FOLDER)
        chosen = list(cases(options.only or KINDS, options.limit or LIMITS, options.prompt or PROMPTS))
        if options.missing:
            known = {key(row) for row in rows_of(rows)}
            chosen = [case for case in chosen if (*astuple(case), options.format) not in known]
        try:
            bench = Bench(folder, QUICK if options.quick else DEEPSEEK_7B, rows, options.time_limit)
            bench.format = options.format
            bench.stock_time_limit_s = options.stock_time_limit
            bench.run(chosen)
        except NoCgroup as error:
            print(error, file=sys.stderr)
            return 1
        written = report.keep(results(rows_of(rows), quick=options.quick), kept)
        print(written.read_text("utf-8") if kept == scratch else written)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_models", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a model of 185 MB: whether it runs, no figures to quote")
    add("--folder", type=Path, help=f"of the checkpoint; made where it is not there (default: {DEFAULT_FOLDER})")
    add("--report", type=Path, metavar="FOLDER", help=f"of the rows and the report (default: {report.FOLDER})")
    add("--format", choices=STEMS, default="safetensors", help="of the weights; name another --folder for .bin")
    add("--limit", type=int, action="append", metavar="MIB", help=f"one of the memory limits, 0 for none: {LIMITS}")
    add("--prompt", type=int, action="append", metavar="N", help=f"tokens of the prompt: {PROMPTS}")
    add("--only", action="append", choices=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    add("--missing", action="store_true", help="only cases that have no row yet")
    add("--time-limit", type=float, default=TIME_LIMIT_S, metavar="S", help="seconds a case may take: %(default)s")
    add("--stock-time-limit", type=float, default=STOCK_TIME_LIMIT_S, metavar="S", help="of stock: %(default)s")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
