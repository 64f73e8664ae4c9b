"""The table of tensors that torch.save pickles, read as a list of instructions over plain values.

Nothing is imported, looked up or called, so that it can run no code; a name or an instruction
other than the few that a table of tensors needs is refused. (torch.load with weights_only does the
same with the tensors made, which needs torch and, for a file in place, an underscored attribute.)
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

_STORAGES = {
    "torch DoubleStorage": "F64",
    "torch FloatStorage": "F32",
    "torch HalfStorage": "F16",
    "torch BFloat16Storage": "BF16",
    "torch LongStorage": "I64",
    "torch IntStorage": "I32",
    "torch ShortStorage": "I16",
    "torch CharStorage": "I8",
    "torch ByteStorage": "U8",
    "torch BoolStorage": "BOOL",
}
_MARK = object()


class Unknown(Exception):
    """The pickle asks for a name or an instruction that a table of tensors does not need."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A record of the archive, by its key. dtype: as in `place.ITEM_BYTES`."""

    dtype: str
    key: str


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor: a run of numbers of a storage, from number `start`, row-major."""

    storage: Storage
    start: int
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Named:
    """A class or function that the pickle asks for; never looked up."""

    name: str


def replay(pickled: bytes) -> Any:
    """The value that the pickle describes, made of dictionaries, tuples, literals and `Part`s.

    Raises Unknown, or one of Python's own errors for a pickle that is not well formed.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    instructions: Iterator[tuple[pickletools.OpcodeInfo, Any, Any]] = pickletools.genops(pickled)
    for opcode, argument, _at in instructions:
        name = opcode.name
        if name == "STOP":
            return stack.pop()
        if name in _LITERALS:
            stack.append(argument)
        elif name in _REMEMBER:
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in _RECALL:
            stack.append(memo[argument])
        elif name in _STEPS:
            _STEPS[name](stack)
        elif name == "GLOBAL":
            stack.append(_Named(argument))
        elif name not in ("PROTO", "FRAME"):
            raise Unknown(name)
    raise ValueError("no end")


def _down_to_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1 - next(i for i, value in enumerate(reversed(stack)) if value is _MARK)
    items = stack[at + 1 :]
    del stack[at:]
    return items


def _wrap(stack: list[Any], n: int) -> None:
    items = tuple(stack[-n:])
    if len(items) < n:
        raise ValueError("a tuple of too few values")
    stack[-n:] = [items]


def _set_item(stack: list[Any]) -> None:
    value, key = stack.pop(), stack.pop()
    _update(stack[-1], [key, value])


def _update(table: Any, pairs: list[Any]) -> None:
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(key, str) or not isinstance(table, dict):
            raise ValueError("a table whose keys are not names")
        table[key] = value


def _set_items(stack: list[Any]) -> None:
    pairs = _down_to_mark(stack)
    _update(stack[-1], pairs)


def _call(stack: list[Any]) -> None:
    arguments, asked = stack.pop(), stack.pop()
    name = asked.name
    if name == "collections OrderedDict" and arguments == ():
        stack.append({})
    elif name == "torch._utils _rebuild_tensor_v2":
        stack.append(_part(*arguments[:4]))
    elif name == "torch._utils _rebuild_parameter":
        stack.append(arguments[0])
    else:
        raise Unknown(name[:80])


def _part(storage: Any, start: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> Part:
    numbers = (start, *shape, *stride)
    if not isinstance(storage, Storage) or any(type(n) is not int or not 0 <= n < 2**62 for n in numbers):
        raise ValueError("a tensor with impossible numbers")
    if len(shape) > 8 or len(stride) != len(shape) or not _row_major(shape, stride):
        raise ValueError("a tensor whose rows do not follow each other")
    return Part(storage, start, tuple(shape))


def _row_major(shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether each step is over all that lies within it; the step along an axis of one does not matter."""
    within = [*accumulate(reversed(shape), lambda a, b: a * b, initial=1)][-2::-1]  # numbers per step of each axis
    return all(n == 1 or step == right for n, step, right in zip(shape, stride, within, strict=True))


def _storage(stack: list[Any]) -> None:
    kind, storage, key, _location, _count = stack.pop()
    if kind != "storage" or not isinstance(key, str) or storage.name not in _STORAGES:
        named = getattr(storage, "name", kind)
        raise Unknown(named[:80] if isinstance(named, str) else type(named).__name__)  # its text may have no end
    stack.append(Storage(_STORAGES[storage.name], key))


def _named(stack: list[Any]) -> None:
    name, module = stack.pop(), stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise ValueError("a name that is not text")
    stack.append(_Named(f"{module} {name}"))


_LITERALS = frozenset(["BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"])
_REMEMBER = frozenset(["BINPUT", "LONG_BINPUT", "MEMOIZE"])
_RECALL = frozenset(["BINGET", "LONG_BINGET"])
_STEPS: dict[str, Callable[[list[Any]], object]] = {
    "NEWTRUE": lambda stack: stack.append(True),
    "NEWFALSE": lambda stack: stack.append(False),
    "NONE": lambda stack: stack.append(None),
    "MARK": lambda stack: stack.append(_MARK),
    "EMPTY_DICT": lambda stack: stack.append({}),
    "EMPTY_TUPLE": lambda stack: stack.append(()),
    "TUPLE": lambda stack: stack.append(tuple(_down_to_mark(stack))),
    "TUPLE1": lambda stack: _wrap(stack, 1),
    "TUPLE2": lambda stack: _wrap(stack, 2),
    "TUPLE3": lambda stack: _wrap(stack, 3),
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "STACK_GLOBAL": _named,
    "BINPERSID": _storage,
    "REDUCE": _call,
    "BUILD": lambda stack: stack.pop(),  # the state of an ordered dictionary: the versions of the modules
}
