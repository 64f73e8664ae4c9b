"""The settings as a table: on a terminal, as JSON, and as the documentation prints it."""

from __future__ import annotations

from dataclasses import dataclass

from qrag_lib.i18n import _
from qrag_lib.show import table_text

HIDDEN = "•••"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting. place: where its value comes from; empty for the default."""

    name: str
    value: object
    place: str
    variable: str
    meaning: str


@dataclass(frozen=True)
class Sheet:
    """All settings, as they hold here."""

    settings: tuple[Row, ...]

    def __str__(self) -> str:
        columns = [_("setting"), _("value"), _("from"), _("meaning")]
        return table_text(
            columns, [(r.name, _written(r.value), r.place or _("default"), r.meaning) for r in self.settings]
        )


@dataclass(frozen=True)
class Documented(Sheet):
    """The defaults of all settings, as a Markdown table."""

    def __str__(self) -> str:
        head = f"| {_('setting')} | {_('environment')} | {_('default')} | {_('meaning')} |"
        rows = (f"| `{r.name}` | `{r.variable}` | {_code(_written(r.value))} | {r.meaning} |" for r in self.settings)
        return "\n".join([head, "| --- | --- | --- | --- |", *rows])


def sheet(workspace: str | None = None, *, markdown: bool = False) -> Sheet:
    """The settings that hold for a workspace; `markdown` gives the defaults, whatever is set here."""
    from qrag_lib.settings import Settings, described, load_settings, origins, secrets

    found = Settings() if markdown else load_settings(workspace)
    places = {} if markdown else {origin.name: origin.place for origin in origins(workspace)}
    values = {n: HIDDEN if n in secrets() and getattr(found, n) else getattr(found, n) for n, _v, _t in described()}
    rows = (Row(n, values[n], places.get(n, ""), variable, text) for n, variable, text in described())
    return (Documented if markdown else Sheet)(tuple(rows))


def _written(value: object) -> str:
    return '""' if value == "" else "" if value is None else str(value)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
