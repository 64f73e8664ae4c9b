"""GGUF headers: sound ones are read, lying ones are refused before anything is believed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_models.errors import ModelDamaged, ModelRefused
from local_models.llama_cpp.gguf_header import TYPES, read_gguf_header

Value = tuple[int, bytes]  # type and bytes of a metadata value
NAME: Value = (8, struct.pack("<Q", 5) + b"llama")


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(
    values: dict[str, Value] | None = None,
    tensors: tuple[tuple[str, tuple[int, ...], int, int], ...] = (("a", (32, 2), 0, 0), ("b", (64,), 8, 256)),
    *,
    version: int = 3,
    n_tensors: int | None = None,
    n_values: int | None = None,
    data: int = 324,
) -> bytes:
    """A GGUF file as its specification says; tensors are (name, shape, type, offset)."""
    values = {"general.architecture": NAME} if values is None else values
    counts = (len(tensors) if n_tensors is None else n_tensors, len(values) if n_values is None else n_values)
    head = b"GGUF" + struct.pack("<IQQ", version, *counts)
    for key, (kind, value) in values.items():
        head += text(key) + struct.pack("<I", kind) + value
    for name, shape, kind, offset in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
    return head + bytes(-len(head) % 32) + bytes(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def refuses(path: Path, content: bytes, because: str, kind: type[Exception] = ModelRefused) -> None:
    path.write_bytes(content)
    with pytest.raises(kind, match=because):
        read_gguf_header(path)


def test_a_sound_header_tells_where_everything_is(path: Path) -> None:
    length: Value = (4, struct.pack("<I", 4096))
    tokens: Value = (9, struct.pack("<IQ", 8, 2) + text("a") + text("ção"))
    values = {"general.architecture": NAME, "llama.context_length": length, "tokenizer.ggml.tokens": tokens}
    path.write_bytes(gguf(values))
    header = read_gguf_header(path)
    assert (header.version, header.architecture, header.context_length) == (3, "llama", 4096)
    assert header.lengths == {"tokenizer.ggml.tokens": 2}
    assert [(t.name, t.dtype, t.shape, t.n_bytes) for t in header.tensors] == [
        ("a", "F32", (32, 2), 256),
        ("b", "Q8_0", (64,), 68),
    ]
    assert header.tensors[1].offset + 68 == path.stat().st_size
    assert header.n_bytes == 324


def test_another_alignment_is_heeded(path: Path) -> None:
    values = {"general.architecture": NAME, "general.alignment": (4, struct.pack("<I", 64))}
    content = gguf(values, (("a", (32, 2), 0, 0), ("b", (64,), 8, 256)))
    path.write_bytes(content + bytes(64))
    assert read_gguf_header(path).data_offset % 64 == 0


@pytest.mark.parametrize(
    ("content", "because"),
    [
        (b"GGML" + gguf()[4:], "does not begin with GGUF"),
        (gguf(version=1), "version is 1"),
        (gguf(version=0x03000000), "version is 50331648"),
        (gguf(n_tensors=2**61), "announces 2305843009213693952 entries"),
        (gguf(n_values=2**63), "announces"),
        (gguf({}), "general.architecture"),
        (gguf({"general.architecture": (4, struct.pack("<I", 7))}), "general.architecture"),
        (gguf({"general.architecture": NAME, "x": (13, b"")}), "unknown type 13"),
        (gguf({"general.architecture": NAME, "x": (9, struct.pack("<IQ", 9, 1))}), "unknown type 9"),
        (gguf({"general.architecture": NAME, "x": (9, struct.pack("<IQ", 10, 2**61))}), "announces"),
        (gguf({"general.architecture": NAME, "general.alignment": (4, bytes(4))}), "no power of two"),
        (gguf({"general.architecture": NAME, "general.alignment": (4, struct.pack("<I", 48))}), "no power of two"),
        (gguf(tensors=(("a" * 64, (32,), 0, 0),)), "a name of 64 bytes"),
        (gguf(tensors=(("a", (1, 1, 1, 1, 1), 0, 0),)), "has 5 dimensions"),
        (gguf(tensors=(("a", (32,), 4, 0),)), "unknown type 4"),
        (gguf(tensors=(("a", (33,), 8, 0),)), "cannot have the shape"),
        (gguf(tensors=(("a", (0, 4), 0, 0),)), "cannot have the shape"),
        (gguf(tensors=(("a", (2**32, 2**32), 0, 0),)), "cannot have the shape"),
        (gguf(tensors=(("a", (2**33, 2**31 + 1, 2), 0, 0),)), "cannot have the shape"),
        (gguf(tensors=(("a", (32,), 0, 0), ("b", (32,), 0, 64))), "b is at 64, not 128"),
        (gguf(tensors=(("a", (32,), 0, 2**64 - 32),)), "is at 18446744073709551584, not 0"),
        (gguf(tensors=(("a", (32,), 0, 0), ("a", (32,), 0, 128))), "two tensors have one name"),
    ],
)
def test_a_header_that_lies_is_refused(path: Path, content: bytes, because: str) -> None:
    refuses(path, content, because)


def test_a_value_that_is_there_twice_is_refused(path: Path) -> None:
    one = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    refuses(path, b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + one + one + bytes(64), "is there twice")


def test_a_name_that_is_not_utf8_is_refused(path: Path) -> None:
    refuses(path, gguf({"general.architecture": (8, struct.pack("<Q", 2) + b"\xff\xfe")}), "not UTF-8")


def test_a_file_that_ends_early_is_damaged_wherever_it_ends(path: Path) -> None:
    whole = gguf(data=324)
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises((ModelDamaged, ModelRefused)):
            read_gguf_header(path)
    path.write_bytes(whole)
    assert len(read_gguf_header(path).tensors) == 2


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(ModelDamaged, match=r"model\.gguf cannot be read"):
        read_gguf_header(path)


FUZZ: Any = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6), data=st.data())
def test_changed_bytes_never_lead_out_of_the_file(tmp_path: Path, changes: list[tuple[int, int]], data: Any) -> None:
    content = bytearray(gguf())
    for at, byte in changes:
        content[at % len(content)] = byte
    check(tmp_path / "fuzzed.gguf", bytes(content[: data.draw(st.integers(0, len(content)))]))


@FUZZ
@given(st.binary(max_size=200))
def test_noise_after_the_magic_is_refused_or_sound(tmp_path: Path, noise: bytes) -> None:
    check(tmp_path / "noise.gguf", b"GGUF\x03\0\0\0" + noise)


@FUZZ
@given(
    st.lists(
        st.tuples(
            st.text(max_size=5),
            st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 64), max_size=5).map(tuple),
            st.sampled_from([*TYPES, 4, 99]),
            st.integers(0, 2**64 - 1) | st.sampled_from([0, 32, 64, 128]),
        ),
        max_size=4,
    ).map(tuple)
)
def test_invented_tensors_stay_in_the_file_or_are_refused(tmp_path: Path, tensors: Any) -> None:
    check(tmp_path / "invented.gguf", gguf(tensors=tensors, data=512))


def check(path: Path, content: bytes) -> None:
    """Either refused, or every tensor lies in the file, none on another."""
    path.write_bytes(content)
    try:
        header = read_gguf_header(path)
    except (ModelRefused, ModelDamaged):
        return
    end = header.data_offset if header.tensors else 0
    for tensor in header.tensors:
        assert end <= tensor.offset
        end = tensor.offset + tensor.n_bytes
    assert end <= len(content)
