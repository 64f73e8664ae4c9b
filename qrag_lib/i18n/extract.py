"""The catalogues, made from the interface texts of the code: `python -m qrag_lib.i18n.extract`.

A message that is new in the code comes into `qrag.po` with an empty translation, one that is
gone leaves it; `qrag.mo` is what the program reads.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

FOLDER = Path(__file__).parent
TRANSLATED = ("pt_BR",)
HEADER = """# Q-RAG interface texts in {name}.
msgid ""
msgstr ""
"Project-Id-Version: qrag\\n"
"Language: {language}\\n"
"Plural-Forms: {plural_forms}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def in_code() -> Catalog:
    """Every message marked by `_`, `N_` or `ngettext` in the package."""
    from babel.messages.catalog import Catalog
    from babel.messages.extract import extract_from_dir

    found = Catalog(fuzzy=False)
    for file, _line, message, comments, _context in extract_from_dir(FOLDER.parent, [("**.py", "python")]):
        found.add(message, locations=[(file, 0)], auto_comments=comments)
    return found


def in_catalogue(language: str) -> Catalog:
    """The catalogue of a language as it is on the disk."""
    from babel.messages.pofile import read_po

    with _po(language).open("rb") as file:
        return read_po(file, locale=language)


def untranslated(language: str) -> list[str]:
    """Messages of the code that the catalogue of a language lacks or leaves empty."""
    there = in_catalogue(language)
    return sorted(str(m.id) for m in in_code() if m.id and not _is_translated(there.get(m.id)))


def write(language: str) -> None:
    """Bring the catalogue of a language up to the code, and compile it."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import write_po

    catalogue = in_catalogue(language)
    catalogue.update(in_code(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    name = catalogue.locale.get_display_name("en") if catalogue.locale else language
    with _po(language).open("wb") as file:
        file.write(HEADER.format(name=name, language=language, plural_forms=catalogue.plural_forms).encode())
        write_po(file, catalogue, include_lineno=False, sort_by_file=True, width=100, omit_header=True)
    with _po(language).with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)


def _po(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / "qrag.po"


def _is_translated(message: object) -> bool:
    string = getattr(message, "string", "")
    sure = not getattr(message, "fuzzy", False)  # a fuzzy translation is not compiled
    return sure and bool(string) and all([string] if isinstance(string, str) else string)


if __name__ == "__main__":
    for language in TRANSLATED:
        write(language)
        missing = untranslated(language)
        sys.stdout.write(f"{language}: {len(in_code())} messages, {len(missing)} to translate\n")
        sys.stdout.writelines(f"  {message}\n" for message in missing)
