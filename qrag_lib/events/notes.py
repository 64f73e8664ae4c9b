"""What a workspace notes of its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from qrag_lib.events.event import Event, peak_mib, surface
from qrag_lib.events.replay import cited
from qrag_lib.events.spool import Spool
from qrag_lib.jobs.job_log import user
from qrag_lib.search.conditions import to_filters
from qrag_lib.types import Answer, IngestReport, text_hash


def note_answer(spool: Spool, answer: Answer, given: Mapping[str, Any], cpu_s: float) -> Answer:
    """Note a question; the answer, with the id that it can be asked again by."""
    wrote = answer.writing
    event = Event(
        "question",
        answer.outcome,
        who=user(),
        surface=surface(),
        question=answer.question,
        index=answer.index,
        generation=answer.generation,
        prompt=answer.prompt,
        model=answer.generator,
        seconds=answer.seconds,
        n_prompt_tokens=wrote.n_prompt_tokens if wrote else 0,
        n_new_tokens=wrote.n_new_tokens if wrote else 0,
        cpu_s=cpu_s,
        peak_mib=peak_mib(),
        confidence=answer.confidence,
        given=given,
        cited=cited(answer),
        said=text_hash(answer.text),
    )
    spool.append(event)
    return replace(answer, id=event.id)


def note_ingest(
    spool: Spool, what: Literal["ingest", "reindex"], report: IngestReport, generation: int, cpu_s: float
) -> None:
    """Note an ingest or a reindex, by its counts."""
    counts = {"added": len(report.added), "changed": len(report.changed), "refused": len(report.refused)}
    spool.append(
        Event(
            what,
            "done",
            who=user(),
            surface=surface(),
            generation=generation,
            seconds=report.seconds,
            cpu_s=cpu_s,
            peak_mib=peak_mib(),
            given={**counts, "deleted": len(report.deleted), "embedded": report.n_embedded},
        )
    )


def plain_filters(filters: Any) -> list[list[Any]]:
    """Filters as plain values: [key, operator, value]."""
    return [[each.key, each.operator, each.value] for each in to_filters(filters)] if filters else []
