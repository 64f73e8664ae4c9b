"""`WorkerEngine`: a model in a child process, as an `Engine` like any other."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local_models.clients import deaths, rendezvous
from local_models.clients.memory_pressure import make_room
from local_models.clients.smaller_plan import STEPS
from local_models.clients.start import Program, exit_code, reach
from local_models.engines.generation import Generation, Message, Sampling
from local_models.errors import GenerationFailed, ModelError, ModelTooLarge, ModelUnavailable
from local_models.interface.messages import N_, _, ngettext
from local_models.worker import file_hold
from local_models.worker.factories import Arguments, Reason, smaller
from local_models.worker.protocol import VERSION, ProtocolError, error_of, generation_of, sampling_message

SILENCE_S = 300.0  # a worker beats every two seconds; one that is silent for so long hangs
_TRIES = 4  # a worker may end for idleness in the moment in which it is asked
_STAGES = {"loading": N_("loading"), "loaded": N_("answering"), "waiting": N_("waiting"), "generating": N_("writing")}
Tell = Callable[[str], None]


def warn(text: str) -> None:
    """Tell as a warning: a notebook shows it beside the answer."""
    warnings.warn(text, stacklevel=2)


class _Smaller(Exception):
    """The worker could not go on for a reason that a smaller plan may mend. failure: where none is left."""

    def __init__(self, reason: Reason, note: rendezvous.Note, failure: ModelError) -> None:
        super().__init__(reason)
        self.reason = reason
        self.note = note
        self.failure = failure


@dataclass
class WorkerEngine:
    """An engine hosted by a child process, which other kernels may use too; made by `open_worker`.

    A worker that is killed while it writes is a GenerationFailed, and the next call starts another.
    One that is killed for want of memory, or whose device map is refused, is started again with a
    smaller plan, at most twice for a call; `tell` is told of each step. The text goes on where it was
    cut if it can be repeated (temperature 0, or a seed).
    """

    order: rendezvous.Order
    program: Program
    tell: Tell = warn
    name: str = ""
    context_length: int = 0
    abilities: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    closed: bool = False

    def open(self) -> WorkerEngine:
        """Itself, with the model loaded in a worker. Raises what the load raised, or ModelUnavailable."""
        told = self.ask({"op": "open"})
        self.name, self.context_length = str(told["name"]), int(told["context_length"])
        self.abilities, self.details = tuple(told["abilities"]), dict(told["details"])
        return self

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, special tokens left out."""
        return int(self.ask({"op": "count", "text": text}))

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt of a conversation, in the model's own chat format, ready for its next turn."""
        return str(self.ask({"op": "render", "messages": [asdict(message) for message in messages]}))

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The continuation of the prompt, piece by piece. Closing it, or Ctrl-C, stops the worker's writing too."""
        ask = {"op": "generate", "prompt": prompt, "sampling": sampling_message(sampling)}
        given, repeatable = "", sampling.temperature == 0 or sampling.seed is not None
        for steps_left in range(STEPS, -1, -1):
            text = ""
            try:
                for reply in self._replies(ask):
                    if "value" in reply:
                        return generation_of(reply["value"])
                    text += reply["piece"]
                    if new := _beyond(given, text):
                        given = text
                        yield new
            except _Smaller as cut:
                self._shrink(cut, steps_left)
                if given and not repeatable:
                    raise _lost_text(given) from cut
        raise AssertionError("the last step raises")

    def generate_batch(self, prompts: Sequence[str], sampling: Sampling) -> list[Generation]:
        """Continuations of the prompts in their order, in one pass where the engine is able to, else one by one."""
        if "batch" not in self.abilities:
            return [_finished(self.generate(prompt, sampling)) for prompt in prompts]
        ask = {"op": "batch", "prompts": list(prompts), "sampling": sampling_message(sampling)}
        return [generation_of(told) for told in self.ask(ask)]

    def close(self) -> None:
        """Use it no more. The worker, which others may be using, ends when nobody has asked for a while."""
        self.closed = True

    def ask(self, ask: Mapping[str, Any]) -> Any:
        """The value of a request of `protocol`. Raises what the worker told, or what its end means."""
        for steps_left in range(STEPS, -1, -1):
            try:
                return [reply["value"] for reply in self._replies(ask)][-1]
            except _Smaller as cut:
                self._shrink(cut, steps_left)
        raise AssertionError("the last step raises")

    def _shrink(self, cut: _Smaller, steps_left: int) -> None:
        """Order a smaller plan than the one that failed. Raises the failure where there is none, or no step left."""
        note = cut.note
        found = smaller(self.program.factories, note.factory, note.arguments, cut.reason) if steps_left else None
        if found is None:
            raise cut.failure from cut
        self.order = _with(self.order, found, note.step + 1)
        step = _("step {step} of {steps}").format(step=STEPS - steps_left + 1, steps=STEPS)
        self.tell(f"{cut.failure.message}; " + _("trying a smaller plan ({step})").format(step=step))

    def _replies(self, ask: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Pieces and the value. Raises what the worker told, or what its end means."""
        if self.closed:
            raise ModelUnavailable(_("the model {name} was closed").format(name=self.name), hint=_("open it again"))
        for _try in range(_TRIES):
            if not file_hold.is_held(rendezvous.lock_path(Path(self.order.folder), self.order.key)):
                make_room(Path(self.order.folder), self.order.key)
            line, note = reach(self.order, self.program)
            heard = _Heard(self.tell)
            try:
                line.send({**ask, "token": note.token, "version": VERSION})
                while True:
                    reply = line.receive(SILENCE_S)
                    if "gone" in reply:
                        break
                    if "beat" in reply:
                        heard.beat(reply["beat"])
                        continue
                    yield _checked(reply, note)
                    if "value" in reply:
                        return
            except TimeoutError as error:
                raise _silent(self.order, error) from error
            except (EOFError, OSError) as error:
                if heard.stage or _was_starved(note):
                    raise _lost(self.order, note, heard.stage) from error
            except ProtocolError as error:
                raise GenerationFailed(_("the worker sent no message: {error}").format(error=error)) from error
            finally:
                line.close()
        raise ModelUnavailable(
            _("the worker of {name} ends whenever it is asked").format(name=self.order.factory), hint=_log(self.order)
        )


@dataclass
class _Heard:
    """What the beats of one request have told. stage: "" before the first."""

    tell: Tell
    stage: str = ""
    n_waits: int = 0

    def beat(self, told: Mapping[str, Any]) -> None:
        self.stage = str(told.get("stage"))
        self.n_waits += self.stage == "waiting"
        if self.stage == "waiting" and self.n_waits == 2:  # at the first, what was just stopped may be ending
            self.tell(_("the model is writing for somebody else; {n} before you").format(n=told.get("ahead")))


def open_worker(
    factory: str,
    arguments: Arguments,
    folder: Path,
    *,
    idle_s: float = 600.0,
    threads: int | None = None,
    tell: Tell = warn,
    program: Program | None = None,
) -> WorkerEngine:
    """A model hosted by a worker below `folder`: the one that is there, or a new one; loaded when this returns.

    factory, arguments: a name of `factories.FACTORIES` and what JSON can say; the same for everybody who means the
    same model, so nothing measured belongs in them.
    Raises what the load raises (ModelRefused, ModelDamaged, ModelTooLarge ...), or ModelUnavailable.
    """
    key = rendezvous.key_of(factory, arguments)
    order = rendezvous.Order(str(rendezvous.private_folder(folder)), key, factory, dict(arguments), 0, idle_s, threads)
    return WorkerEngine(order, program or Program(), tell).open()


def _with(order: rendezvous.Order, arguments: Arguments, step: int) -> rendezvous.Order:
    return rendezvous.Order(order.folder, order.key, order.factory, dict(arguments), step, order.idle_s, order.threads)


def _checked(reply: Mapping[str, Any], note: rendezvous.Note) -> Mapping[str, Any]:
    """The reply, if it is no error."""
    if "error" not in reply:
        return reply
    failure = error_of(reply["error"])
    reason = reply["error"].get("reason")
    if reason in ("memory", "device map"):
        raise _Smaller(reason, note, _exhausted(note, failure) if reason == "memory" else _unplaced(failure))
    raise failure


def _beyond(given: str, text: str) -> str:
    """What the text has beyond what was given. Raises GenerationFailed where it is another text."""
    if not (text.startswith(given) or given.startswith(text)):
        raise _lost_text(given)
    return text[len(given) :]


def _finished(pieces: Generator[str, None, Generation]) -> Generation:
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            finished: Generation = end.value
            return finished


def _was_starved(note: rendezvous.Note) -> bool:
    """Whether a worker that said nothing at all was killed for want of memory; any other is simply started again."""
    exit_code(note.pid)  # wait for its end, so that it is counted
    return deaths.was_out_of_memory(note.ooms)


def _lost(order: rendezvous.Order, note: rendezvous.Note, stage: str) -> Exception:
    """What the end of a worker in the middle of a request means."""
    code = exit_code(note.pid)
    if deaths.was_out_of_memory(note.ooms):
        return _Smaller("memory", note, _exhausted(note, None))
    how = _("killed by signal {n}").format(n=-code) if code is not None and code < 0 else _("gone")
    message = _("the worker of {name} (process {pid}) is {how} while {stage}").format(
        name=order.factory, pid=note.pid, how=how, stage=_(_STAGES[stage or "loading"])
    )
    hint = _("ask again: another is started; {log}").format(log=_log(order))
    kind = GenerationFailed if stage in ("waiting", "generating") else ModelUnavailable
    return kind(message, hint=hint)


def _log(order: rendezvous.Order) -> str:
    return _("its log is {path}").format(path=rendezvous.log_path(Path(order.folder), order.key))


def _silent(order: rendezvous.Order, error: TimeoutError) -> ModelUnavailable:
    return ModelUnavailable(
        _("the worker of {name} hangs: {error}").format(name=order.factory, error=error),
        hint=_("qrag model stop ends it; the next call starts another"),
    )


def _exhausted(note: rendezvous.Note, failure: Exception | None) -> ModelTooLarge:
    said = f": {failure}" if failure else ""
    return ModelTooLarge(
        _("the worker of {name} (process {pid}) ran out of memory").format(name=note.factory, pid=note.pid) + said,
        hint=_("close other programs, or raise the memory limit of this container"),
    )


def _unplaced(failure: Exception) -> ModelUnavailable:
    return ModelUnavailable(
        _("the model cannot be placed on these devices: {error}").format(error=failure),
        hint=_("set the device map to disk"),
    )


def _lost_text(given: str) -> GenerationFailed:
    return GenerationFailed(
        ngettext(
            "the text was cut after {n} character, and cannot be repeated",
            "the text was cut after {n} characters, and cannot be repeated",
            len(given),
        ).format(n=len(given)),
        hint=_("ask again, with temperature 0 or a seed to make a text that goes on after a cut"),
    )
