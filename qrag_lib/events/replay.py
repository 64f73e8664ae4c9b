"""A question asked again: the same answer, or what differs and why."""

from __future__ import annotations

from dataclasses import dataclass

from local_models.interface.blocks import panel_html, wrapped
from qrag_lib.events.event import Event
from qrag_lib.i18n import _
from qrag_lib.types import Answer, text_hash


@dataclass(frozen=True)
class Replay:
    """An event of a question, and the answer of today. differences: in words; empty where the answer is the same."""

    event: Event
    answer: Answer
    differences: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether outcome, sentences and places of the quotes are those of then."""
        return not self.differences

    def __str__(self) -> str:
        said = [_("The same answer.")] if self.same else [wrapped(each, "  ", "- ") for each in self.differences]
        return "\n".join([*said, "", str(self.answer)])

    def _repr_html_(self) -> str:
        said = self.differences or (_("The same answer."),)
        return panel_html(_("Asked again"), *said, calm=True)._repr_html_() + self.answer._repr_html_()


def compare(then: Event, now: Answer) -> tuple[str, ...]:
    """What is not as it was, and what of what made the answer has changed; nothing where the answer is the same."""
    differs = []
    if now.outcome != then.outcome:
        differs.append(_("The outcome was {then}, and is {now}.").format(then=then.outcome, now=now.outcome))
    if cited(now) != then.cited:
        differs.append(_("Other places are quoted."))
    if text_hash(now.text) != then.said:
        differs.append(_("The sentences are not the same."))
    if not differs:
        return ()
    made = (
        (then.index, now.index, _("It is another index: settings or embedding model have changed.")),
        (then.generation, now.generation, _("The documents have changed since.")),
        (then.prompt, now.prompt, _("The model was told something else.")),
        (then.model, now.generator, _("Another model answers.")),
    )
    causes = [why for before, after, why in made if before != after]
    return (*differs, *(causes or [_("Nothing that made it has changed: the model itself does not repeat its words.")]))


def cited(answer: Answer) -> tuple[tuple[str, int, int], ...]:
    """Where the quotes of an answer stand."""
    return tuple((each.document_id, each.start, each.end) for each in answer.citations)
