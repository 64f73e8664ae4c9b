"""The READMEs and the pages of docs/ are in step, true, and their code runs."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from qrag_lib.cli.arguments import parse

ROOT = Path(__file__).parents[1]
PRINTER = runpy.run_path(str(ROOT / ".ci" / "printed"))
PAIRS: Mapping[str, str] = PRINTER["PAIRS"]
PAGES: Mapping[str, str] = PRINTER["PAGES"]
READMES = ("README.md", "README.pt-BR.md")
ONE_PAGE = 115  # lines of a README
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"<!-- printed by: .+? -->.*?<!-- end -->", re.DOTALL)
COMMAND = re.compile(r"(?:\.venv/bin/)?qrag (.+)")


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(name: str, *languages: str) -> list[str]:
    """The fenced blocks of these languages that people wrote."""
    return [code for language, code in BLOCKS.findall(PRINTED.sub("", page(name))) if language in languages]


def lines(name: str, language: str) -> list[str]:
    return "".join(blocks(name, language)).splitlines()


def with_code(*languages: str) -> list[str]:
    return [name for name in PAIRS if blocks(name, *languages)]


def run(*command: str, cwd: Path, language: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("QRAG_")}
    env |= {"QRAG_LANG": language, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def outline(name: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", re.sub(BLOCKS, "", page(name)), re.MULTILINE)]


def test_every_page_is_there_in_both_languages() -> None:
    assert {p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/pt-BR/*.md")} == {*PAIRS.values()} - {READMES[1]}


@pytest.mark.parametrize("name", PAIRS)
def test_twins_have_the_same_headings_tables_and_lists(name: str) -> None:
    for pattern in (r"^\| --- ", r"^\| ", r"^- ", r"^!\["):
        counts = [len(re.findall(pattern, PRINTED.sub("", page(each)), re.MULTILINE)) for each in (name, PAIRS[name])]
        assert counts[0] == counts[1], pattern
    assert outline(name) == outline(PAIRS[name])


@pytest.mark.parametrize("name", PAIRS)
def test_twins_have_the_same_code(name: str) -> None:
    code = ("python", "sh", "console", "ipython")
    assert blocks(name, *code) == blocks(PAIRS[name], *code)


@pytest.mark.parametrize("name", READMES)
def test_a_readme_is_one_page(name: str) -> None:
    assert len(page(name).splitlines()) <= ONE_PAGE


@pytest.fixture(scope="module", params=READMES)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A README, and what its Python code printed, and after it that of the other pages."""
    folder = tmp_path_factory.mktemp("readme")
    language = PAGES[request.param]
    code = "\n".join(code for name in PAGES if PAGES[name] == language for code in blocks(name, "python"))
    return request.param, run(sys.executable, "-c", code, cwd=folder, language=language)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's Python code was run: a workspace of two papers."""
    folder = tmp_path_factory.mktemp("pages")
    run(sys.executable, "-c", "\n".join(blocks("README.md", "python")), cwd=folder, language="en")
    return folder


def test_the_code_prints_what_the_page_says(ran: tuple[str, str]) -> None:
    name, printed = ran
    for line in blocks(name, "text")[0].splitlines():
        assert line in printed


@pytest.mark.parametrize("name", with_code("sh"))
def test_every_command_of_the_page_runs(name: str, begun: Path) -> None:
    for command in lines(name, "sh"):
        if ours := COMMAND.fullmatch(command):
            line = f'"{sys.executable}" -m qrag_lib {ours[1]}'
            assert run("bash", "-c", line, cwd=begun, language="en")
        else:
            target = command.removeprefix("make ")
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), command


def test_every_cell_of_the_pages_runs(begun: Path) -> None:
    cells = ["%load_ext qrag_lib", *(line for name in with_code("ipython") for line in lines(name, "ipython"))]
    script = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell()\n"
        f"for cell in {cells!r}:\n    shell.run_cell(cell).raise_error()\n"
        "print(type(shell.user_ns['answer']).__name__)\n"
    )
    assert run(sys.executable, "-c", script, cwd=begun, language="en").endswith("Answer\n")


def test_commands_that_need_a_model_can_be_written_so() -> None:
    commands = lines("docs/models.md", "console")
    assert [parse(shlex.split(command)[1:]).verb for command in commands] == ["model", "model", "model", "ask", "model"]


@pytest.mark.parametrize("name", with_code("console"))
def test_a_run_by_papermill_names_a_notebook_and_its_parameters(name: str) -> None:
    import yaml
    from papermill import inspect_notebook

    for command in (line for line in lines(name, "console") if "papermill" in line):
        _program, notebook, _executed, *options = shlex.split(command)
        given = yaml.safe_load(options[options.index("-y") + 1]) if "-y" in options else {}
        assert set(given) <= set(inspect_notebook(str(ROOT / notebook))), json.dumps(given)


@pytest.mark.parametrize("name", PAGES)
def test_help_and_settings_are_as_the_program_prints_them(name: str) -> None:
    assert PRINTER["printed"](page(name), PAGES[name]) == page(name), "run make i18n"


@pytest.mark.parametrize("name", [*PAGES, "CHANGELOG.md"])
def test_every_link_within_the_project_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page(name)):
        assert target.startswith("https://") or ((ROOT / name).parent / target).exists(), target
