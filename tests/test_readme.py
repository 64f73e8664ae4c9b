"""The READMEs are in step, true, and their code runs."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from qrag_lib.cli.arguments import parse

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "en", "README.pt-BR.md": "pt_BR"}
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"<!-- printed by: .+? -->.*?<!-- end -->", re.DOTALL)


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(name: str, *languages: str) -> list[str]:
    """The fenced blocks of these languages that people wrote."""
    return [code for language, code in BLOCKS.findall(PRINTED.sub("", page(name))) if language in languages]


def run(*command: str, cwd: Path, language: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("QRAG_")}
    env |= {"QRAG_LANG": language, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def outline(name: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", re.sub(BLOCKS, "", page(name)), re.MULTILINE)]


def test_both_have_the_same_headings_tables_and_lists() -> None:
    for pattern in (r"^\| --- ", r"^\| ", r"^- ", r"^<details>"):
        counts = [len(re.findall(pattern, PRINTED.sub("", page(name)), re.MULTILINE)) for name in PAGES]
        assert counts[0] == counts[1], pattern
    assert outline("README.md") == outline("README.pt-BR.md")


def test_both_have_the_same_code() -> None:
    code = ("python", "sh", "console", "ipython")
    assert blocks("README.md", *code) == blocks("README.pt-BR.md", *code)


@pytest.fixture(scope="module", params=PAGES)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, str]:
    """A page, the folder where its Python code was run, and what that printed."""
    folder = tmp_path_factory.mktemp("readme")
    code = "\n".join(blocks(request.param, "python"))
    return request.param, folder, run(sys.executable, "-c", code, cwd=folder, language=PAGES[request.param])


def test_the_code_prints_what_the_page_says(ran: tuple[str, Path, str]) -> None:
    name, _folder, printed = ran
    for line in blocks(name, "text")[0].splitlines():
        assert line in printed


def test_every_command_of_the_page_runs(ran: tuple[str, Path, str]) -> None:
    name, folder, _printed = ran
    for command in "".join(blocks(name, "sh")).splitlines():
        if command.startswith("qrag "):
            line = f'"{sys.executable}" -m qrag_lib {command.removeprefix("qrag ")}'
            assert run("bash", "-c", line, cwd=folder, language="en")
        else:
            target = command.removeprefix("make ")
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), command


def test_commands_that_need_a_model_can_be_written_so() -> None:
    commands = "".join(blocks("README.md", "console")).splitlines()
    assert [parse(shlex.split(command)[1:]).verb for command in commands] == ["model", "model", "model", "ask", "model"]


@pytest.mark.parametrize("name", PAGES)
def test_help_and_settings_are_as_the_program_prints_them(name: str) -> None:
    printed = runpy.run_path(str(ROOT / ".ci" / "printed"))["printed"]
    assert printed(page(name), PAGES[name]) == page(name), "run make i18n"


@pytest.mark.parametrize("name", [*PAGES, "CHANGELOG.md"])
def test_every_link_within_the_project_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page(name)):
        assert target.startswith("https://") or (ROOT / target).exists(), target
