"""A plan to load a model, as a value that shows itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from local_models.errors import ModelTooLarge
from local_models.interface.blocks import panel_html, rows_html, table_text, wrapped
from local_models.interface.messages import _, ngettext
from local_models.interface.number_format import duration, number, size
from local_models.interface.sanitize import line

Mode = Literal["memory", "partial", "streamed", "refused"]
Device = Literal["auto", "cpu", "cuda", "disk"]


@dataclass(frozen=True)
class LoadPlan:
    """How a model would be loaded and what to expect of it. Every size in bytes.

    peak_bytes: resident in the process that holds the model, at most what it may take, for code gives way;
    for a refused plan, the least that would do.
    memory_bytes: what the plan may take. resident_bytes, streamed_bytes: weights that stay in memory,
    and weights read at every token. kv_bytes: keys and values of `context` tokens; with kv_on_disk they
    lie in a file. bytes_per_token: read from disk for a new token, at the end of a full context.
    bandwidth: bytes/s of the disk; None where nobody measured, and then seconds_per_token, which is the
    least that a new token takes, is None too unless nothing is read.
    """

    model: str
    mode: Mode
    device: Literal["cpu", "cuda"]
    reason: str
    weights_bytes: int
    resident_bytes: int
    streamed_bytes: int
    peak_bytes: int
    memory_bytes: int
    context: int
    kv_bytes: int
    kv_on_disk: bool
    prefill_chunk: int
    ring_bytes: int
    block_bytes: int
    bytes_per_token: int
    bandwidth: float | None
    seconds_per_token: float | None
    hint: str = ""

    @property
    def refused(self) -> bool:
        """True where no plan fits."""
        return self.mode == "refused"

    @property
    def kv_memory_bytes(self) -> int:
        """Keys and values that may be in memory; with 0 they go to a file."""
        return 0 if self.kv_on_disk else self.kv_bytes

    @property
    def seconds_to_load(self) -> float | None:
        """The least that it takes to read what stays in memory; None where nobody measured the disk."""
        return self.resident_bytes / self.bandwidth if self.bandwidth else None

    def check(self) -> LoadPlan:
        """Itself. Raises ModelTooLarge, with the numbers, where no plan fits."""
        if self.refused:
            raise ModelTooLarge(self.reason, hint=self.hint or None)
        return self

    def __str__(self) -> str:
        return _text(self)

    def _repr_html_(self) -> str:
        return _html(self)


def seconds_per_token(
    linear_bytes: float, resident_bytes: float, kv_bytes: float, bandwidth: float, memory_bandwidth: float
) -> float:
    """The least that a new token takes, in seconds: the slower of the disk and the memory, which work at once.

    kv_bytes: keys and values that are read from disk, 0 where they are in memory. Bandwidths in bytes/s.
    Derived: a new token passes through every matrix once, so what is not resident crosses the disk once.
    Measured: the 7B shape in 512 MiB took 9.8 s a token at 1.33 GB/s; this says 9.76.

    >>> round(seconds_per_token(12_981_370_880, 0, 0, 1.33e9, 10e9), 2)
    9.76
    """
    from_disk = (linear_bytes - resident_bytes + kv_bytes) / bandwidth
    return max(from_disk, linear_bytes / memory_bandwidth)


def _text(plan: LoadPlan) -> str:
    """The headline, a table of names and values, and what to do where nothing fits."""
    hint = [wrapped(plan.hint, "  ", "→ ")] if plan.hint else []
    return "\n".join([wrapped(_headline(plan)), "", table_text(["", ""], _pairs(plan)), *hint])


def _html(plan: LoadPlan) -> str:
    """The same as a panel."""
    return panel_html(_headline(plan), rows_html(_pairs(plan)), plan.hint, calm=not plan.refused)._repr_html_()


def _headline(plan: LoadPlan) -> str:
    return f"{_mode(plan)}: {line(plan.reason)}"


def _mode(plan: LoadPlan) -> str:
    modes = {
        "memory": _("in memory"),
        "partial": _("partly in memory"),
        "streamed": _("streamed from disk"),
        "refused": _("refused"),
    }
    return modes[plan.mode] + (_(" (GPU)") if plan.device == "cuda" else "")


def _pairs(plan: LoadPlan) -> list[tuple[str, object]]:
    if plan.refused:
        return [(_("model"), plan.model), *_sizes(plan, _("memory that would do"))]
    return [
        (_("model"), plan.model),
        *_sizes(plan, _("memory at the peak")),
        (_("weights kept in memory"), size(plan.resident_bytes)),
        (_("read from disk per token"), _read(plan)),
        (_("attention"), _attention(plan)),
        (
            _("prompt computed in pieces of"),
            ngettext("{n} token", "{n} tokens", plan.prefill_chunk).format(n=number(plan.prefill_chunk)),
        ),
        (_("speed of the disk"), _speed(plan)),
        (_("loading takes at least"), _seconds(plan.seconds_to_load)),
        (_("a new token takes at least"), _seconds(plan.seconds_per_token)),
    ]


def _sizes(plan: LoadPlan, peak: str) -> list[tuple[str, object]]:
    return [
        (_("weights"), size(plan.weights_bytes)),
        (_("memory that may be taken"), _mib(plan.memory_bytes)),
        *([(peak, _mib(plan.peak_bytes))] if plan.peak_bytes else []),
    ]


def _mib(n_bytes: int) -> str:
    return f"{number(n_bytes / 2**20)} MiB"


def _attention(plan: LoadPlan) -> str:
    where = _("on disk") if plan.kv_on_disk else _("in memory")
    return ngettext("{size} for {n} token, {where}", "{size} for {n} tokens, {where}", plan.context).format(
        size=size(plan.kv_bytes), n=number(plan.context), where=where
    )


def _read(plan: LoadPlan) -> str:
    if not plan.kv_on_disk:
        return size(plan.streamed_bytes)
    return _("{size}, and up to {more} of attention").format(size=size(plan.streamed_bytes), more=size(plan.kv_bytes))


def _speed(plan: LoadPlan) -> str:
    return f"{number(plan.bandwidth / 1e6)} MB/s" if plan.bandwidth else _("not measured")


def _seconds(seconds: float | None) -> str:
    return _("not known") if seconds is None else duration(seconds)
