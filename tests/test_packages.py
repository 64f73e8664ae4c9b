"""The documentation of the installed packages, as documents."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from qrag_lib.documents.packages import ADDRESS, from_packages, without_decoration
from qrag_lib.ingest.sources import open_source
from qrag_lib.types import Document


@pytest.fixture(scope="module")
def packages() -> dict[str, Document]:
    return {str(document.metadata["package"]): document for document in from_packages()}


def test_each_package_but_this_one_is_a_document(packages: dict[str, Document]) -> None:
    assert len(packages) > 200 and "qrag" not in packages
    assert all(document.text.startswith(document.name) for document in packages.values())


def test_it_says_what_the_package_says_of_itself(packages: dict[str, Document]) -> None:
    pypdf = packages["pypdf"]
    assert (pypdf.name, pypdf.metadata["license"]) == (f"pypdf {version('pypdf')}", "BSD-3-Clause")
    assert str(pypdf.metadata["home_page"]).startswith("https://")
    assert str(pypdf.metadata["summary"]) in pypdf.text and "Requires Python: >=" in pypdf.text


def test_headings_stand_where_they_are_said_to(packages: dict[str, Document]) -> None:
    installation = next(s for s in packages["papermill"].sections if s.label == "Installation")
    assert packages["papermill"].text[installation.start :].startswith("## Installation")
    for document in packages.values():
        assert document.sections[0].label == document.name
        assert all(0 <= s.start < s.end <= len(document.text) for s in document.sections)


def test_a_whole_licence_is_not_taken_for_its_name(packages: dict[str, Document]) -> None:
    assert all(len(str(document.metadata["license"])) < 150 for document in packages.values())


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("[![CI](https://a/b.svg)](https://a)\n\nFast.", "Fast."),
        (".. image:: https://a/b.svg\n   :target: https://a\n\nFast.", "Fast."),
        ("<!-- hidden\n-->Fast <b>and</b> small.", "Fast and small."),
        ("See [the manual](https://a).", "See [the manual](https://a)."),
        ("```html\n<p><b>kept</b></p>\n```", "```html\n<p><b>kept</b></p>\n```"),
        ("if a <b and c> d:", "if a <b and c> d:"),
    ],
)
def test_decoration_goes_and_what_is_said_stays(written: str, read: str) -> None:
    assert without_decoration(written) == read


def test_the_address_opens_all_of_them(packages: dict[str, Document]) -> None:
    source = open_source(ADDRESS)
    assert (source.key, source.whole, source.n_items) == (ADDRESS, True, len(packages))
    assert open_source(ADDRESS, limit=3).n_items == 3
