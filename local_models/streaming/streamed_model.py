"""What a streamed model is beside what its architecture is: passes one at a time, and clear refusals."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NoReturn

from local_models.errors import ModelRefused
from local_models.interface.messages import _
from local_models.streaming.thread_tuning import Pace
from local_models.streaming.weight_stream import WeightStream

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class StreamedModel:
    """Mixed into the class of the loaded model. `stream` is where its weights come from."""

    stream: WeightStream

    def to(self, *wanted: object, **named: object) -> Any:
        """Itself, where nothing would change; its weights are on the disk and can be moved nowhere."""
        model: Any = self
        there = {str(model.device), model.device.type, str(model.dtype), "False", "None"}
        if all(str(value) in there for value in (*wanted, *named.values())):
            return self
        self._refuse("to")

    def _apply(self, *_wanted: object, **_named: object) -> Any:
        """Where torch's half, float, cuda, cpu, type and the like arrive."""
        self._refuse("to, half, float, cuda")

    def save_pretrained(self, *_wanted: object, **_named: object) -> Any:
        """Refused: the weights are in the folder that the model was loaded from."""
        self._refuse("save_pretrained")

    def push_to_hub(self, *_wanted: object, **_named: object) -> Any:
        """Refused, as save_pretrained."""
        self._refuse("push_to_hub")

    def state_dict(self, *_wanted: object, **_named: object) -> Any:
        """Refused: it would lack the weights."""
        self._refuse("state_dict")

    def resize_token_embeddings(self, *_wanted: object, **_named: object) -> Any:
        """Refused: the embedding is read from the file row by row."""
        self._refuse("resize_token_embeddings")

    def _refuse(self, what: str) -> NoReturn:
        raise ModelRefused(
            _("{what} cannot work on a streamed model: its weights are not in memory").format(what=what),
            hint=_("load it in memory with transformers' from_pretrained, or use its folder as it is"),
        )


def make_streamed(model: PreTrainedModel, stream: WeightStream) -> None:
    """Give the model its stream, and the manners of StreamedModel."""
    architecture, pace = type(model), Pace(stream)

    @functools.wraps(architecture.forward)  # generate reads the signature
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        tokens = args[0] if args else kwargs.get("input_ids", kwargs.get("inputs_embeds"))
        n_tokens = 0 if tokens is None else tokens.shape[0] * tokens.shape[1]

        def work() -> Any:
            return architecture.forward(self, *args, **kwargs)

        return self.stream.in_a_pass(lambda: pace.run(work, n_tokens))

    name = f"Streamed{architecture.__name__}"
    model.__class__ = type(name, (StreamedModel, architecture), {"forward": forward})
    model.stream = stream  # type: ignore[assignment]
