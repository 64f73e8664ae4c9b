"""How values look in a notebook.

Colours come from the text around, so the look fits light and dark themes of JupyterLab,
Voila and a static page alike. There is no script in it, and nothing to fetch.
"""

from __future__ import annotations

STYLE = """<style>
.qrag {
  --soft: color-mix(in srgb, currentColor 62%, transparent);
  --rule: color-mix(in srgb, currentColor 16%, transparent);
  --wash: color-mix(in srgb, currentColor 5%, transparent);
  --accent: var(--jp-brand-color1, #3579c4);
  font: 14px/1.55 var(--jp-ui-font-family, system-ui, sans-serif);
  max-width: 56em; padding: 2px 0 6px; overflow-wrap: anywhere;
}
.qrag .q { font-size: 1.05em; font-weight: 600; margin: 0 0 .5em }
.qrag .say { font-size: 1.08em; line-height: 1.65; margin: .2em 0 .8em }
.qrag .soft { color: var(--soft); font-size: .9em }
.qrag .text { white-space: pre-wrap }
.qrag .lead { margin: .2em 0 .6em }
.qrag .par { margin: .25em 0 }
.qrag .par.head { font-weight: 600 }
.qrag .say > .par.head { font-size: .85em; color: var(--soft); margin-bottom: -.1em }
.qrag .cmd {
  font-family: var(--jp-code-font-family, ui-monospace, monospace); font-size: .92em; white-space: pre-wrap;
  background: var(--wash); border: 1px solid var(--rule); border-radius: 3px; padding: .1em .4em; user-select: all;
}
.qrag .bare {
  color: var(--soft); font-style: italic;
  text-decoration: underline wavy color-mix(in srgb, #d9480f 60%, transparent) 1px; text-underline-offset: 3px;
}
.qrag .panel {
  border-left: 3px solid var(--accent); border-radius: 0 4px 4px 0;
  background: var(--wash); padding: .6em .9em; margin: .35em 0;
}
.qrag .panel.calm { border-left-color: var(--soft) }
.qrag summary { cursor: pointer }
.qrag .cite { display: inline-block; line-height: 1 }
.qrag .cite[open] { display: inline }
.qrag .cite > summary {
  display: inline; list-style: none; color: var(--accent); font-weight: 600;
  font-size: .72em; line-height: 1; vertical-align: super; padding: 0 .25em;
}
.qrag .cite > summary::-webkit-details-marker { display: none }
.qrag .cite > .panel { font-size: .93rem; line-height: 1.55 }
.qrag mark {
  background: color-mix(in srgb, #f2b90d 38%, transparent); color: inherit;
  border-radius: 2px; padding: 0 .1em;
}
.qrag.qrag table {
  border-collapse: collapse; margin: .3em 0 .6em; width: auto; color: inherit; font-size: .95em; line-height: inherit;
}
.qrag.qrag tr, .qrag.qrag tbody tr:nth-child(n) { background: none; border-bottom: 1px solid var(--rule) }
.qrag.qrag th, .qrag.qrag td {
  text-align: left; vertical-align: baseline; padding: .3em .9em .3em 0; max-width: 44em;
  border: 0; background: none; white-space: normal; line-height: 1.45;
}
.qrag.qrag th { font-weight: 600; color: var(--soft); font-size: .9em }
.qrag.qrag td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.qrag .score { white-space: nowrap }
.qrag .bar {
  display: inline-block; width: 5em; height: .45em; margin-right: .5em;
  border-radius: 3px; background: var(--rule); vertical-align: middle;
}
.qrag .bar > i { display: block; height: 100%; border-radius: 3px; background: var(--accent) }
.qrag .bar.second > i { background: var(--soft) }
</style>"""


def page(*parts: str) -> str:
    """The parts in the frame that carries the look. MathJax leaves the frame alone: a `$` is a `$`."""
    return f'{STYLE}<div class="qrag tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>'
