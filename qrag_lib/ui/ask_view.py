"""The panels as widgets. What they show comes from `show`, escaped; nothing here reads a document."""

from __future__ import annotations

import warnings
from typing import Any

import ipywidgets as widgets

from qrag_lib import show
from qrag_lib.answer.streaming_display import draft_html
from qrag_lib.errors import QragError
from qrag_lib.i18n import _
from qrag_lib.types import Answer
from qrag_lib.ui.ask_state import Asking, Holdings, open_to_read, waiting

WIDE = widgets.Layout(width="100%")


def dashboard(path: str | None = None) -> widgets.Widget:
    """The dashboard over a workspace; without one, what to do to get one."""
    try:
        workspace = open_to_read(path)
    except QragError as error:
        return _shown(show.panel_html(error.message, error.hint or ""))
    tabs = widgets.Tab([asking_view(Asking(workspace)), holdings_view(Holdings(workspace))])
    tabs.titles = (_("Ask"), _("Documents"))
    return tabs


def asking_view(state: Asking) -> widgets.Widget:
    """A question, how many passages to look at, two buttons, the result, and a button below one without an answer."""
    question = widgets.Text(placeholder=_("Ask your documents"), layout=widgets.Layout(width="auto"))
    ask = widgets.Button(description=_("Ask"), button_style="primary")
    search = widgets.Button(description=_("Search"))
    k = widgets.BoundedIntText(
        value=state.k,
        min=1,
        max=50,
        description=_("passages"),
        style={"description_width": "initial"},
        layout=widgets.Layout(width="10em", margin="2px 1em"),
    )
    write = widgets.Checkbox(description=_("let the model write"), indent=False)
    result = widgets.HTML(layout=WIDE)
    onward = widgets.Button(description=_("See all that a search finds"), layout=widgets.Layout(width="auto"))
    widgets.link((state, "question"), (question, "value"))
    widgets.link((state, "write"), (write, "value"))
    widgets.link((state, "k"), (k, "value"))
    ask.on_click(lambda _button: state.ask())
    for button in (search, onward):
        button.on_click(lambda _button: state.search())
    with warnings.catch_warnings():  # ipywidgets 8.1 calls on_submit deprecated and has no other way to hear Enter
        warnings.simplefilter("ignore", DeprecationWarning)
        question.on_submit(lambda _text: state.ask())

    def mirror(_change: object) -> None:
        ask.disabled = search.disabled = state.busy
        result.value = _result(state)
        onward.layout.display = "" if state.found_nothing else "none"

    mirror(None)
    state.observe(mirror, ["result", "error", "busy", "draft"])
    row = widgets.HBox([ask, search, k, write], layout=widgets.Layout(flex_flow="row wrap", align_items="center"))
    return widgets.VBox([question, row, result, onward], layout=WIDE)


def holdings_view(state: Holdings) -> widgets.Widget:
    """The documents and the state of the workspace, with a button to look again."""
    again = widgets.Button(description=_("Refresh"))
    documents, status = widgets.HTML(layout=WIDE), widgets.HTML(layout=WIDE)

    def mirror(_change: object = None) -> None:
        documents.value, status.value = state.documents._repr_html_(), state.status._repr_html_()

    again.on_click(lambda _button: state.refresh())
    state.observe(mirror, ["documents", "status"])
    mirror()
    return widgets.VBox([again, status, documents], layout=WIDE)


def _result(state: Asking) -> str:
    if state.error:
        return str(show.panel_html(_("That did not work"), state.error)._repr_html_())
    if state.busy:
        return str(draft_html(state.draft)._repr_html_()) if state.draft else show.escape(waiting())
    if isinstance(state.result, Answer):
        return show.answer_html(state.result, onward="")  # the button below is the next step
    return str(state.result._repr_html_()) if state.result is not None else ""


def _shown(panel: Any) -> widgets.HTML:
    return widgets.HTML(panel._repr_html_(), layout=WIDE)
