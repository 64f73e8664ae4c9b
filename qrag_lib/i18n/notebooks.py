"""The notebooks in the other languages, made from the English ones: `python -m qrag_lib.i18n.notebooks`.

`NAME.ipynb` is the source, `notebooks.po` holds its texts (Markdown cells and comments) in Portuguese, and
`NAME.pt-BR.ipynb` beside it is made of the two: the same code, the same cell ids. It stands beside the source
because the paths in its parameters are relative to it. A text that is new in a source comes into `notebooks.po`
with an empty translation, one that is gone leaves it.
"""

from __future__ import annotations

import io
import sys
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qrag_lib.i18n.extract import FOLDER, HEADER

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

CHECKOUT = FOLDER.parents[1]
SUFFIX = ".pt-BR.ipynb"
TEXTS = FOLDER / "pt_BR" / "LC_MESSAGES" / "notebooks.po"


def sources() -> list[Path]:
    """The English notebooks and the dashboard."""
    found = [*(CHECKOUT / "notebooks").glob("*.ipynb"), *(CHECKOUT / "dashboards").glob("*.ipynb")]
    return sorted(path for path in found if not path.name.endswith(SUFFIX))


def target(source: Path) -> Path:
    """Where the Portuguese twin of a notebook stands."""
    return source.with_name(source.stem + SUFFIX)


def texts(notebook: Any) -> Iterator[str]:
    """What a person reads of a notebook: its Markdown cells, and the comments of its code."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.source
        else:
            yield from (token.string.removeprefix("# ") for token in _comments(cell.source))


def translated(notebook: Any, known: Mapping[str, str]) -> Any:
    """A copy of the notebook with its texts in the other language; a text that is not known stays English.

    known: translations by English text.
    """
    from copy import deepcopy

    made = deepcopy(notebook)
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = known.get(cell.source, cell.source)
        else:
            cell.source = _with_comments(cell.source, known)
    return made


def known_texts() -> dict[str, str]:
    """The translations that `notebooks.po` holds, by English text."""
    return {str(each.id): str(each.string) for each in _catalogue() if each.id and each.string}


def write() -> list[str]:
    """Bring `notebooks.po` and the Portuguese notebooks up to the English ones; the texts still to be translated."""
    from nbformat import read

    notebooks = {path: read(path, as_version=4) for path in sources()}  # type: ignore[no-untyped-call]
    _write_catalogue(notebooks)
    known = known_texts()
    for path, notebook in notebooks.items():
        target(path).write_text(as_file(translated(notebook, known)), "utf-8")
    return [text for notebook in notebooks.values() for text in texts(notebook) if text not in known]


def as_file(notebook: Any) -> str:
    """A notebook as it is written to the disk."""
    from nbformat import writes

    return str(writes(notebook)) + "\n"  # type: ignore[no-untyped-call]


def _comments(code: str) -> list[tokenize.TokenInfo]:
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [token for token in tokens if token.type == tokenize.COMMENT]


def _with_comments(code: str, known: Mapping[str, str]) -> str:
    lines = code.splitlines(keepends=True)
    for token in _comments(code):
        row, text = token.start[0] - 1, token.string.removeprefix("# ")
        lines[row] = lines[row].replace(token.string, f"# {known.get(text, text)}")
    return "".join(lines)


def _catalogue() -> Catalog:
    from babel.messages.pofile import read_po

    with TEXTS.open("rb") as file:
        return read_po(file, locale="pt_BR")


def _write_catalogue(notebooks: Mapping[Path, Any]) -> None:
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    found = Catalog(fuzzy=False)
    for path, notebook in notebooks.items():
        for text in texts(notebook):
            found.add(text, locations=[(path.relative_to(CHECKOUT).as_posix(), 0)])
    catalogue = _catalogue()
    catalogue.update(found, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    head = HEADER.format(
        domain="qrag", name="Brazilian Portuguese", language="pt_BR", plural_forms=catalogue.plural_forms
    )
    with TEXTS.open("wb") as file:
        file.write(head.replace("interface texts", "notebooks").encode())
        write_po(file, catalogue, include_lineno=False, width=100, omit_header=True)


if __name__ == "__main__":
    missing = write()
    sys.stdout.write(f"notebooks: {len(missing)} texts to translate\n")
    sys.stdout.writelines(f"  {text}\n" for text in missing)
