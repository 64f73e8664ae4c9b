"""A conversation as the prompt that a model was trained on; templates of model folders are kept on a short lead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from local_models.engines.generation import Message
from local_models.errors import ModelRefused
from local_models.interface.messages import _, ngettext

TEMPLATE_CHARACTERS = 64 * 1024
SPENDING = 8_000_000  # characters made in one rendering
STEP = 40  # what a step of a loop or a call costs beside them: 200,000 of them take about a second
# DeepSeek LLM's README prints this format; it recommends no system prompt. Base models have no format of their own.
PLAIN = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}"
    "{% else %}{{ message['content'] + '\\n\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
# those that make much of little (center, format, indent, wordwrap, xmlattr ...) are not among them
FILTERS = (
    *("capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "int", "items", "join", "last"),
    *("length", "list", "lower", "map", "reject", "rejectattr", "replace", "reverse", "safe", "select", "selectattr"),
    *("sort", "string", "title", "tojson", "trim", "unique", "upper"),
)
METHODS = (
    *("append", "capitalize", "count", "endswith", "find", "get", "index", "items", "isdigit", "isspace", "join"),
    *("keys", "lower", "lstrip", "removeprefix", "removesuffix", "replace", "rfind", "rsplit", "rstrip", "split"),
    *("splitlines", "startswith", "strip", "title", "upper", "values"),
)
# filters that write out all that a value holds, or compare it; the others look at its first level
WHOLE = frozenset(
    ["capitalize", "count", "e", "escape", "index", "join", "joined", "lower", "replace", "safe", "sort", "string"]
) | {"title", "tojson", "trim", "unique", "upper", "weighed"}


def render_chat(
    messages: Sequence[Message],
    *,
    template: str = PLAIN,
    bos: str = "",
    eos: str = "",
    controls: Iterable[str] = (),
    open_turn: bool = True,
) -> str:
    """The prompt of a conversation.

    controls: texts of special tokens; where a message quotes one, it is broken up, so that what a
    document says stays data. open_turn: whether it ends where the assistant begins to write.
    Raises ModelRefused where the template is too long, works too much, reaches out of its sandbox
    or cannot render these messages.
    """
    if len(template) > TEMPLATE_CHARACTERS:
        raise _refused(
            ngettext("it has {n} character", "it has {n} characters", len(template)).format(n=len(template)),
            TEMPLATE_CHARACTERS,
        )
    turns = [{"role": m.role, "content": _broken(m.content, controls)} for m in messages]
    sandbox = _Sandbox(SPENDING + 4 * sum(len(turn["content"]) for turn in turns))
    values = {"messages": turns, "bos_token": bos, "eos_token": eos, "add_generation_prompt": open_turn}
    try:
        return "".join(sandbox.counted(sandbox.from_string(template).generate(values)))
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _refused(str(error), SPENDING) from error
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise _refused(type(error).__name__, SPENDING) from error


def _refused(why: str, limit: int) -> ModelRefused:
    return ModelRefused(
        _("the model's chat template cannot be used: {why} (limit: {limit})").format(why=why, limit=limit),
        hint=_("take the template out of the model's folder: a plain format is used then"),
    )


def _broken(text: str, controls: Iterable[str]) -> str:
    """The text with a space inside each control token, after its first character."""
    for control in controls:
        if len(control) > 1 and control in text:
            text = text.replace(control, f"{control[0]} {control[1:]}")
    return text


class _Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox without files or modules, where loops, calls and what operators make count against a limit."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self, limit: int) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        self.left = limit
        self.finalize = self._weighed
        kept: dict[str, Callable[..., Any]] = {name: self.filters[name] for name in FILTERS}
        self.filters.clear()
        self.filters.update({name: self._costed(name, function) for name, function in kept.items()})
        self.filters["tojson"] = self._costed("tojson", _as_json)
        self.filters["joined"] = self._costed("joined", lambda parts: "".join(map(str, parts)))
        self.filters["weighed"] = self._weighed
        self.globals = {"range": self._range, "raise_exception": _raise, "namespace": _Names}
        self.globals["step"] = lambda: None  # a call of it is counted like any other

    def spend(self, n: int) -> None:
        """Take n of what is left. Raises SecurityError where that is not enough."""
        self.left -= n
        if self.left < 0:
            raise SecurityError(_("it does too much work"))

    def counted(self, pieces: Iterable[str]) -> Iterable[str]:
        """The pieces, each paid for by its length."""
        for piece in pieces:
            self.spend(len(piece))
            yield piece

    def call(self, context: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function or method of a template; methods that are not listed are refused."""
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
        if isinstance(owner, (str, list, dict)):
            if name not in METHODS:
                raise SecurityError(_("it calls {name}").format(name=name))
            self.spend(_most(name, (owner, *args)))
        self.spend(STEP)
        return super().call(context, function, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> None:
        """None for all but str.format, which is refused: it pads to any width."""
        if super().wrap_str_format(value) is not None:
            raise SecurityError(_("it calls {name}").format(name="format"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of `+ * ** %`, refused beforehand where it would be large."""
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator != "+" and not (numbers and _small(operator, left, right)):
            raise SecurityError(_("it uses {operator} on more than small numbers").format(operator=operator))
        self.spend(1 if numbers else _held(left) + _held(right))
        return super().call_binop(context, operator, left, right)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Metered().visit(super()._parse(source, name, filename))
        return tree

    def _costed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)  # keeps the marks that say whether it wants the environment first
        def costed(*args: Any, **kwargs: Any) -> Any:
            self.spend(_most(name, [value for value in args if isinstance(value, (str, list, dict, tuple))]))
            return function(*args, **kwargs)

        return costed

    def _weighed(self, value: Any) -> Any:
        """The value, paid for by all that it holds."""
        self.spend(_held(value))
        return value

    def _range(self, *bounds: int) -> range:
        numbers = range(*bounds)
        self.spend(len(numbers))
        return numbers


class _Names(Namespace):
    """A namespace that does not write out what it holds."""

    def __repr__(self) -> str:
        return "<namespace>"


class _Metered(NodeTransformer):
    """Makes each loop count its steps, `~` a filter, which can be counted, and lists and comparisons be paid for.

    A list may name another ten times, and that one a third: what is written in a line can hold more than memory.
    """

    def visit_For(self, node: nodes.For, *args: Any, **kwargs: Any) -> nodes.For:
        self.generic_visit(node, *args, **kwargs)
        node.body.insert(0, nodes.ExprStmt(nodes.Call(nodes.Name("step", "load"), [], [], None, None)))
        return node

    def visit_Concat(self, node: nodes.Concat, *args: Any, **kwargs: Any) -> nodes.Filter:
        self.generic_visit(node, *args, **kwargs)
        return nodes.Filter(nodes.List(node.nodes), "joined", [], [], None, None)

    def visit_List(self, node: nodes.List, *args: Any, **kwargs: Any) -> nodes.Expr:
        self.generic_visit(node, *args, **kwargs)
        return _paid(node)

    def visit_Dict(self, node: nodes.Dict, *args: Any, **kwargs: Any) -> nodes.Expr:
        self.generic_visit(node, *args, **kwargs)
        return _paid(node)

    def visit_Tuple(self, node: nodes.Tuple, *args: Any, **kwargs: Any) -> nodes.Expr:
        self.generic_visit(node, *args, **kwargs)
        return _paid(node) if node.ctx == "load" else node

    def visit_Compare(self, node: nodes.Compare, *args: Any, **kwargs: Any) -> nodes.Compare:
        self.generic_visit(node, *args, **kwargs)
        operands = [nodes.Operand(each.op, _paid(each.expr)) for each in node.ops]
        return nodes.Compare(_paid(node.expr), operands)


def _paid(node: nodes.Expr) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else nodes.Filter(node, "weighed", [], [], None, None)


def _small(operator: str, left: float, right: float) -> bool:
    """True where the result has 64 bits or so at most."""
    bits = [int(abs(number)).bit_length() for number in (left, right)]
    return bits[0] * abs(right) <= 64 if operator == "**" else sum(bits) <= 64


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple, dict)) else 1


def _most(name: str, values: Sequence[Any]) -> int:
    """Characters or things that a filter or method can make of these at most, roughly."""
    sizes = [(_held(value) if name in WHOLE else _depth(value)) + 1 for value in values]
    if name in ("replace", "join"):
        product = 1
        for size in sizes:
            product *= size
        return product
    return sum(sizes)


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(_size(key) + _size(held) for key, held in value.items())
    if isinstance(value, (list, tuple)):
        return sum(_size(held) for held in value)
    return _size(value)


def _held(value: Any) -> int:
    """Characters and things in a value, at every depth, each as often as it would be written out."""
    sizes: dict[int, int] = {}
    waiting = [value]
    while waiting:
        last = waiting[-1]
        below = [*last.keys(), *last.values()] if isinstance(last, dict) else last
        if id(last) in sizes or not isinstance(below, (list, tuple)):
            sizes.setdefault(id(waiting.pop()), _size(last))
        elif missing := [each for each in below if id(each) not in sizes]:
            waiting += missing
        else:
            sizes[id(waiting.pop())] = 1 + sum(sizes[id(each)] for each in below)
    return sizes[id(value)]


def _as_json(value: Any, **options: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, indent=min(8, options.get("indent") or 0) or None)


def _raise(message: str) -> None:
    raise TemplateError(re.sub(r"\s+", " ", str(message))[:300])
