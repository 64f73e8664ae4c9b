"""Figures of the cases of `bench_models`, and what they should reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.report import Result

Row = Mapping[str, Any]
Key = tuple[str, int, int, str]
Rows = Mapping[Key, Row]
MIB, GB = 2**20, 1e9
BESIDE = {"streamed": "stock", "loop streamed": "loop stock"}
LEAST_SHARE, MOST_AMPLIFICATION, MOST_INT8 = 0.90, 1.01, 0.55


def results(rows: Sequence[Row], *, quick: bool) -> list[Result]:
    """The figures of each case, then how ours stands to what it is compared with."""
    known = {key(row): row for row in rows}
    made = [result for row in rows for result in _figures(row)]
    for row in rows:
        made += _targets(row, known)
    where = {name(row): row["machine"] for row in rows}
    return [Result(r.benchmark, r.case, r.measure, r.value, r.unit, r.target, where[r.case], quick) for r in made]


def key(row: Row) -> Key:
    """What tells a case from the others; the last row of a key counts."""
    return row["kind"], row["limit_mib"], row["n_prompt"], row.get("format", "safetensors")


def name(row: Row) -> str:
    """A case in words."""
    limit = f"{row['limit_mib'] / 1024:g} GiB" if row["limit_mib"] else "no limit"
    form = ", .bin" if row.get("format") == "bin" else ""
    return f"{limit}, {row['n_prompt']} tokens, {row['kind']}{form}" if row["kind"] != "ask" else f"{limit}, ask{form}"


def _figures(row: Row) -> Iterator[Result]:
    """What was measured of one case; a case that did not end has its tokens and the time it was given."""
    found: dict[tuple[str, str], float | None] = {
        ("peak memory", "MiB"): _over(row.get("peak_bytes"), MIB),
        ("first token", "s"): row.get("first_s"),
        ("a token", "s"): seconds_per_token(row),
        ("read a token", "GB"): _over(bytes_per_token(row), GB),
        ("of the bandwidth", "%"): _over(share(row), 0.01),
        ("tokens", ""): row.get("n_pieces", 0),
        ("in all", "s"): row.get("wall_s"),
        ("killed for memory", ""): row.get("oom_kills") or None,
    }
    for (measure, unit), value in found.items():
        if value is not None:
            yield Result("models", name(row), measure, value, unit)


def _targets(row: Row, known: Rows) -> Iterator[Result]:
    case, kind, beside = name(row), row["kind"], key(row)[1:]
    ours = kind in ("streamed", "loop streamed", "ask")
    if ours and row["limit_mib"] == 512:
        yield Result("models", case, "processes killed for memory", row.get("oom_kills", 1), "", "< 1")
        yield Result("models", case, "tokens", row.get("n_pieces", 0), "", "≥ 1")
    if (part := share(row)) is not None and kind != "int8":
        yield Result("models", case, "share of the bandwidth", part, "", f"≥ {LEAST_SHARE}")
    if (more := amplification(row)) is not None:
        yield Result("models", case, "read for each byte needed", more, "", f"≤ {MOST_AMPLIFICATION}")
    whole = known.get(("in memory", 0, row["n_prompt"], "safetensors"))
    theirs = whole if kind == "streamed" and not row["limit_mib"] else known.get((BESIDE.get(kind, ""), *beside))
    if theirs and (ratio := times_faster(row, theirs)):
        yield Result("models", case, f"times as fast as {BESIDE[kind]}{_cut(theirs)}", ratio, "", "≥ 1")
    same = whole is not None and whole.get("prompt", "") == row.get("prompt")  # of another one the text says nothing
    if whole and same and kind in ("streamed", "drafts", "loop streamed") and "text" in row and "text" in whole:
        yield Result("models", case, "share of the text as in memory", common(row["text"], whole["text"]), "", "≥ 1")
    bf16 = known.get(("streamed", *beside))
    if kind == "int8" and bf16 and (ratio := times_faster(row, bf16)):
        yield Result("models", case, "seconds a token, of bf16's", 1 / ratio, "", f"≤ {MOST_INT8}")


def seconds_per_token(row: Row) -> float | None:
    """Of the tokens after the first; None where there is none."""
    n = row.get("n_pieces", 0) - 1
    return row["later_s"] / n if n > 0 else None


def bytes_per_token(row: Row) -> float | None:
    """Bytes that the disk was read for, of the tokens after the first."""
    n = row.get("n_pieces", 0) - 1
    return row["later_bytes"] / n if n > 0 else None


def share(row: Row) -> float | None:
    """Bytes needed per second, of what the same reader gets without computing; None where little is streamed.

    The bandwidth is the mean of before and after: disks of virtual machines change.
    """
    seconds, needed = seconds_per_token(row), needed_bytes(row)
    if not seconds or needed is None:
        return None
    bandwidth: float = (row["bandwidth"] + row["bandwidth_after"]) / 2
    return needed / seconds / bandwidth


def amplification(row: Row) -> float | None:
    """Bytes read for each byte that a token needs."""
    read, needed = bytes_per_token(row), needed_bytes(row)
    return None if read is None or needed is None else read / needed


def needed_bytes(row: Row) -> float | None:
    """Weights, keys and values that a token needs from the disk; None where little is streamed, or a draft is taken."""
    streamed: int = row.get("plan", {}).get("streamed_bytes", 0)
    if not streamed or row["kind"] == "drafts" or "details" not in row:
        return None
    kept: float = row["details"].get("kv_bytes_read", 0) / max(1, row["details"].get("passes", 1))
    return streamed + kept


def times_faster(row: Row, other: Row) -> float | None:
    """How many times as fast; of a case that was cut, the least that it can be."""
    mine, theirs = seconds_per_token(row), seconds_per_token(other)
    if other.get("timed_out"):
        cut = other["wall_s"] - other.get("load_s", 0.0) - other.get("first_s", 0.0)
        theirs = max(theirs or 0.0, cut / max(1, other.get("n_pieces", 0)))
    return theirs / mine if mine and theirs else None


def common(text: str, other: str) -> float:
    """How much of two texts, from the beginning, is the same.

    >>> common("abcd", "abxd"), common("", "")
    (0.5, 1.0)
    """
    same = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    longest = max(len(text), len(other))
    return same / longest if longest else 1.0


def _cut(row: Row) -> str:
    return f", which was cut after {row['wall_s']:.0f} s, at least" if row.get("timed_out") else ""


def _over(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit
