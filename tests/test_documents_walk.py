"""Folders as they come: links, pipes, depth, names, and files that are not what they say."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qrag_lib.documents import FoundFile, Limits, Reader, find_file, printable, read_file, validate, walk
from qrag_lib.errors import DocumentRefused, SourceError
from qrag_lib.types import Refusal

NAMES = ["relatório ação.pdf", "linha\nquebrada.txt", "aspas\"'`.txt", "; rm x .txt", "-rf.txt", "arquivo.",
         "....pdf", "emoji 😀.docx", "A.PDF", "percent%2e%2e%2f.txt", "🏳️‍🌈.md", "ǅ.txt", "a" * 255,
         "rtl\u202etxt.exe"]  # fmt: skip

DEEP = "pasta-dentro-de-pasta"


def found(folder: Path) -> list[str]:
    return [item.name for item in walk(folder) if isinstance(item, FoundFile)]


def refused(folder: Path) -> dict[str, str]:
    return {item.name: item.reason for item in walk(folder) if isinstance(item, Refusal)}


def test_order_is_fixed_files_before_folders(tmp_path: Path) -> None:
    for name in ("b/2.txt", "b/1.txt", "a/x.txt", "z.txt", "m.txt", "b/c/3.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert found(tmp_path) == ["m.txt", "z.txt", "a/x.txt", "b/1.txt", "b/2.txt", "b/c/3.txt"]


def test_hidden_files_are_counted_not_told(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name in (".git/config", ".env", "~$aberto.docx", "visto.txt"):
        (tmp_path / name).touch()
    steps = walk(tmp_path)
    assert [item.name for item in steps] == ["visto.txt"] and steps.n_hidden == 3


def test_links_and_loops_are_told_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "secret.txt").write_text("segredo")
    (tmp_path / "docs" / "fora.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "docs" / "laço").symlink_to(tmp_path / "docs")
    (tmp_path / "docs" / "solto").symlink_to("nada")
    assert found(tmp_path / "docs") == []
    assert refused(tmp_path / "docs") == dict.fromkeys(["fora.txt", "laço", "solto"], "not_a_file")


def test_pipes_sockets_and_devices_are_told_and_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("cano.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("tomada.txt")
        assert refused(tmp_path) == {"cano.txt": "not_a_file", "tomada.txt": "not_a_file"}


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "cano", "laço", "pasta", "nada.txt", "nulo\0.txt"])
def test_reading_what_is_no_file_is_refused_at_once(path: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cano")
    (tmp_path / "laço").symlink_to("laço")
    (tmp_path / "pasta").mkdir()
    with pytest.raises(DocumentRefused) as error:
        read_file(tmp_path / path)
    assert error.value.reason in ("not_a_file", "unreadable")


def test_a_very_deep_tree_is_walked_to_where_paths_end(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _level in range(400):  # a path may be 4,096 bytes long
        os.mkdir(DEEP, dir_fd=here)
        below = os.open(DEEP, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (tmp_path / "z.txt").touch()
    assert found(tmp_path) == ["z.txt"] and set(refused(tmp_path).values()) == {"unreadable"}
    remove_deep(tmp_path / DEEP)


def remove_deep(folder: Path) -> None:
    """A tree deeper than a path can be long: each level is moved up before it is emptied."""
    spare = folder.with_name("spare")
    while folder.exists():
        if (folder / DEEP).exists():
            (folder / DEEP).rename(spare)
            folder.rmdir()
            spare.rename(folder)
        else:
            folder.rmdir()


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that nobody may enter, seen by an ordinary user: root may read everything."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "fechada").mkdir(mode=0)
    (folder / "fechado.txt").touch(mode=0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    shutil.rmtree(folder)


def test_unreadable_folders_and_files_are_told(as_nobody: Path) -> None:
    assert refused(as_nobody) == {"fechada": "unreadable"}
    with pytest.raises(DocumentRefused, match="Permission denied") as error:
        read_file(as_nobody / "fechado.txt")
    assert error.value.reason == "unreadable"


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_data(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("texto")
    (item,) = walk(tmp_path)
    assert isinstance(item, FoundFile) and not set(item.name) & set("\n\u202e")
    assert read_file(item.path, name=item.name).text == "texto"


def test_names_of_the_real_list_are_data(tmp_path: Path, shared_data: Path) -> None:
    names = json.loads((shared_data / "files" / "hostile-filenames.json").read_text("utf-8"))
    names = [name for name in names if "/" not in name and "\0" not in name and not name.startswith(".oculto")]
    for name in names:
        (tmp_path / name[:255]).write_text("x")
    assert len({*found(tmp_path)}) == len(names) and refused(tmp_path) == {}


def test_a_name_that_is_not_utf8_can_be_stored(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode("ação.txt".encode("latin-1"))).write_text("texto")
    (item,) = walk(tmp_path)
    assert item.name == "a\\xe7\\xe3o.txt"
    document = read_file(item.path if isinstance(item, FoundFile) else "")
    json.dumps([document.name, document.path, document.id]).encode("utf-8")
    sqlite3.connect(":memory:").execute("SELECT ?, ?", (document.name, document.path)).connection.close()


def test_different_names_stay_different() -> None:
    names = ["a\\xe7", "a\udce7", "a\xe7", "a\\\\xe7", "a\x85", "a\udc85", "a\n", "a\\n"]
    assert len({printable(name) for name in names}) == len(names)


def test_walking_what_is_no_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"not a folder: .*nada"):
        walk(tmp_path / "nada")


def test_too_large_file_is_refused_with_size_and_limit(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 3 * 2**20)
    with pytest.raises(DocumentRefused, match=r"3\.0 MiB, limit 1\.0 MiB") as error:
        read_file(tmp_path / "a.txt", limits=Limits(file_bytes=2**20))
    assert error.value.reason == "too_large"


def test_large_text_is_read_under_the_limits_of_the_child(tmp_path: Path) -> None:
    with Reader() as reader:
        extract = reader.parse("linha é\n".encode() * 1_100_000, "a.txt")
        assert len(extract.text) == 8 * 1_100_000 - 1 and reader.sandbox.started == 1


def test_validate_gives_each_file_a_verdict_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Título\n\ntexto")
    (tmp_path / "b.pdf").touch()
    (tmp_path / "c.txt").write_bytes("ação".encode("latin-1"))
    (tmp_path / "d").symlink_to("a.md")
    told: list[str] = []
    verdicts = list(validate(tmp_path, on_progress=lambda verdict: told.append(verdict.name)))
    assert [v.name for v in verdicts] == told == ["a.md", "b.pdf", "c.txt", "d"]
    assert [v.refusal.reason if v.refusal else "" for v in verdicts] == ["", "empty", "", "not_a_file"]
    assert (verdicts[2].encoding, verdicts[2].n_characters, verdicts[2].n_bytes) == ("cp1252", 4, 4)


def test_validate_takes_files_and_folders_together(tmp_path: Path) -> None:
    (tmp_path / "pasta").mkdir()
    (tmp_path / "pasta" / "a.txt").write_text("um")
    (tmp_path / "b.txt").write_text("dois")
    verdicts = list(validate([tmp_path / "b.txt", tmp_path / "pasta", tmp_path / "nada.pdf"]))
    assert [(v.name, v.ok) for v in verdicts] == [("b.txt", True), ("a.txt", True), ("nada.pdf", False)]


def test_a_named_file_has_its_size_and_time(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("texto")
    file = find_file(tmp_path / "a.txt")
    assert (file.name, file.size, file.mtime_ns) == ("a.txt", 5, (tmp_path / "a.txt").stat().st_mtime_ns)
