"""The catalogues, made from the interface texts of the code: `python -m qrag_lib.i18n.extract`.

Each package has its own: `qrag.po`, `local_models.po`. A message that is new in the code comes into it with an
empty translation, one that is gone leaves it; the `.mo` beside it is what the program reads.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

FOLDER = Path(__file__).parent
ENGINE = FOLDER.parents[1] / "local_models"
DOMAINS = {"qrag": (FOLDER.parent, FOLDER), "local_models": (ENGINE, ENGINE / "interface")}  # code, catalogues
TRANSLATED = ("pt_BR",)
MARKS = {"_": 1, "N_": 1, "ngettext": 2}  # how many of the arguments are texts
HEADER = """# Q-RAG interface texts in {name}.
msgid ""
msgstr ""
"Project-Id-Version: {domain}\\n"
"Language: {language}\\n"
"Plural-Forms: {plural_forms}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def in_code(domain: str) -> Catalog:
    """Every message marked by `_`, `N_` or `ngettext` in the package of a domain, inside f-strings too."""
    from babel.messages.catalog import Catalog

    found, package = Catalog(fuzzy=False), DOMAINS[domain][0]
    for path in sorted(package.rglob("*.py")):
        for message in messages(path.read_text("utf-8")):
            found.add(message, locations=[(path.relative_to(package).as_posix(), 0)])
    return found


def messages(code: str) -> list[str | tuple[str, str]]:
    """The messages of a piece of code in their order, (singular, plural) where they count something.

    Read from the syntax tree: to a tokenizer before Python 3.12 an f-string is one token, and the five messages
    that stood in one were missed. What is no literal is left out.

    >>> messages("f'{_(\\"without support\\")}'; ngettext('{n} page', '{n} pages', n)")
    ['without support', ('{n} page', '{n} pages')]
    """
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    marked = [(node, MARKS.get(getattr(node.func, "id", ""), 0)) for node in calls]
    ordered = sorted(((node, n) for node, n in marked if n), key=lambda each: (each[0].lineno, each[0].col_offset))
    literal = [_literals(node.args[:n]) for node, n in ordered]
    return [texts[0] if len(texts) == 1 else (texts[0], texts[1]) for texts in literal if texts]


def _literals(arguments: Sequence[ast.expr]) -> list[str]:
    texts = [each.value for each in arguments if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return texts if len(texts) == len(arguments) else []


def in_catalogue(domain: str, language: str) -> Catalog:
    """The catalogue of a language as it is on the disk."""
    from babel.messages.pofile import read_po

    with po_file(domain, language).open("rb") as file:
        return read_po(file, locale=language)


def untranslated(domain: str, language: str) -> list[str]:
    """Messages of the code that the catalogue of a language lacks or leaves empty."""
    there = in_catalogue(domain, language)
    return sorted(str(m.id) for m in in_code(domain) if m.id and not _is_translated(there.get(m.id)))


def write(domain: str, language: str) -> None:
    """Bring the catalogue of a language up to the code, and compile it."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import write_po

    catalogue = in_catalogue(domain, language)
    catalogue.update(in_code(domain), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    name = catalogue.locale.get_display_name("en") if catalogue.locale else language
    path = po_file(domain, language)
    with path.open("wb") as file:
        header = {"name": name, "domain": domain, "language": language, "plural_forms": catalogue.plural_forms}
        file.write(HEADER.format(**header).encode())
        write_po(file, catalogue, include_lineno=False, sort_by_file=True, width=100, omit_header=True)
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)


def po_file(domain: str, language: str) -> Path:
    """Where the translations of a package are written."""
    return DOMAINS[domain][1] / language / "LC_MESSAGES" / f"{domain}.po"


def _is_translated(message: object) -> bool:
    string = getattr(message, "string", "")
    sure = not getattr(message, "fuzzy", False)  # a fuzzy translation is not compiled
    return sure and bool(string) and all([string] if isinstance(string, str) else string)


if __name__ == "__main__":
    for domain in DOMAINS:
        for language in TRANSLATED:
            write(domain, language)
            missing = untranslated(domain, language)
            sys.stdout.write(f"{domain}, {language}: {len(in_code(domain))} messages, {len(missing)} to translate\n")
            sys.stdout.writelines(f"  {message}\n" for message in missing)
