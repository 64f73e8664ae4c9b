"""The program says how it is reached: what it tells to type can be typed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from local_models.interface.reached import as_reached

SCRIPTS = Path(sysconfig.get_path("scripts"))
PLAIN = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not (Path(p) / "qrag").exists())


def hint(cwd: Path, path: str) -> str:
    """The command that the program tells to type where there is no workspace, without its arguments."""
    words = [sys.executable, "-m", "qrag_lib", "ask", "why?"]
    env = {**os.environ, "QRAG_LANG": "en", "PATH": path, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)
    return done.stderr.splitlines()[1].removeprefix("→ ").partition(" ingest FOLDER")[0]


def test_it_is_called_by_its_name_where_the_shell_finds_it(tmp_path: Path) -> None:
    assert hint(tmp_path, os.environ["PATH"]) == "qrag"


def test_it_is_called_by_its_path_where_the_shell_does_not(tmp_path: Path) -> None:
    assert hint(tmp_path, PLAIN) == str(SCRIPTS / "qrag")
    below = SCRIPTS.parents[1]
    assert hint(below, PLAIN) == str((SCRIPTS / "qrag").relative_to(below))


@pytest.mark.parametrize("path", [os.environ["PATH"], PLAIN])
def test_what_it_tells_to_type_runs(tmp_path: Path, path: str) -> None:
    line = [*shlex.split(hint(tmp_path, path)), "--version"]
    done = subprocess.run(line, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("qrag ")


def test_another_program_of_that_name_is_not_taken_for_it(tmp_path: Path) -> None:
    other = tmp_path / "qrag"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert hint(tmp_path, f"{tmp_path}{os.pathsep}{PLAIN}") != "qrag"


def test_without_its_script_it_is_a_module_of_python(tmp_path: Path) -> None:
    code = (
        "import sysconfig, sys; sysconfig.get_path = lambda name: '/nowhere'; sys.argv = ['-c'];"
        "from local_models.interface.reached import command; print(command())"
    )
    env = {**os.environ, "PATH": PLAIN}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.strip() == f"{shlex.quote(sys.executable)} -m qrag_lib"


def test_only_commands_are_written_anew() -> None:
    assert as_reached("see qrag.toml of my-qrag folder") == "see qrag.toml of my-qrag folder"
