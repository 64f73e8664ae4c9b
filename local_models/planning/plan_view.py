"""A plan on a terminal and in a notebook: what is expected, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qrag_lib.i18n import _, ngettext
from qrag_lib.show import duration, line, number, panel_html, rows_html, size, table_text, wrapped

if TYPE_CHECKING:
    from local_models.planning.load_plan import LoadPlan


def plan_text(plan: LoadPlan) -> str:
    """The headline, a table of names and values, and what to do where nothing fits."""
    hint = [wrapped(plan.hint, "  ", "→ ")] if plan.hint else []
    return "\n".join([wrapped(_headline(plan)), "", table_text(["", ""], _pairs(plan)), *hint])


def plan_html(plan: LoadPlan) -> str:
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
