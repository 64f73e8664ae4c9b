"""An embedding model in a worker: what hosts it there, and what stands for it where memory is short."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from local_models.checkpoint.fingerprint import fingerprint
from local_models.clients.client import Tell, WorkerEngine, open_worker, warn
from local_models.engines.generation import Generation, Message, Sampling
from local_models.errors import GenerationFailed, ModelTooLarge, ModelUnavailable
from local_models.interface.messages import _
from local_models.interface.number_format import size
from local_models.planning.memory import available_memory
from local_models.reading.span_reader import Passage, Reading, load_reader, packed, unpacked
from local_models.worker.factories import Arguments, Built, Reason
from local_models.worker.process import resident_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from local_models.embedding.embedder import Embedder
    from local_models.embedding.sentence_embedding import SentenceEmbedding

FACTORY = "embedding"
PROCESS_BYTES = 290_000_000  # of the worker beside the weights, measured with MiniLM after 40 long sentences
_BATCH_TEXTS, _BATCH_CHARACTERS = 256, 200_000  # of one message
Kind = Literal["passage", "query"]


class HostedEmbedding:
    """What `SentenceEmbedding` does, done by a worker; this process loads neither torch nor LlamaIndex.

    A worker that is lost is asked again, another being started; where that fails too, what `instead` opens works.
    """

    def __init__(self, engine: WorkerEngine, instead: Callable[[], Embedder] | None = None) -> None:
        self.engine = engine
        self._instead = instead
        self._here: Embedder | None = None
        told = engine.details
        self.model_id, self.dimensions = str(told["model_id"]), int(told["dimensions"])
        self.max_tokens, self.overhead_tokens = int(told["max_tokens"]), int(told["overhead_tokens"])

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "passage", on_progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        """Unit rows (n, d) in the order of the texts; the same, bit for bit, as without a worker.

        on_progress: called with (texts done, texts in all) after each message.
        """
        import numpy as np

        if self._here:
            return self._here.encode(texts, kind=kind, on_progress=on_progress)
        rows = np.empty((len(texts), self.dimensions), np.float32)
        done = 0
        for batch in _batches(texts):
            told = self._asked({"op": "embed", "texts": batch, "kind": kind})
            if self._here:
                rows[done:] = self._here.encode(texts[done:], kind=kind)
                break
            rows[done : done + len(batch)] = np.frombuffer(base64.b64decode(told), "<f4").reshape(len(batch), -1)
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(texts))
        return rows

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character spans of the word pieces of a text, special tokens left out."""
        return self.token_spans_many([text])[0]

    def token_spans_many(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """`token_spans` of many texts."""
        told = [spans for batch in _batches(texts) for spans in self._asked({"op": "spans", "texts": batch}) or ()]
        if self._here:
            return self._here.token_spans_many(texts)
        return [[(start, end) for start, end in spans] for spans in told]

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        """What the packaged reader, which lives in the same worker, makes of each passage."""
        told = self._asked({"op": "read", "question": question, "passages": [[p.headings, p.text] for p in passages]})
        return load_reader().read(question, passages) if self._here else [unpacked(each) for each in told]

    def _asked(self, ask: Mapping[str, Any]) -> Any:
        """The worker's reply; None where none replies any more, and the model is here from now on."""
        for last in (False, True):
            try:
                return self.engine.ask(ask) if self._here is None else None
            except (GenerationFailed, ModelUnavailable, OSError):
                if last and self._instead is None:
                    raise
                if last and self._instead:
                    self._here = self._instead()
        return None


class EmbeddingHost:
    """An embedding model in its worker. It is no writer: asked for a text, it says so."""

    def __init__(self, embedding: SentenceEmbedding) -> None:
        self.embedding = embedding
        self.name, self.context_length = embedding.model_id, embedding.max_tokens

    def reply(self, ask: Mapping[str, Any]) -> Any:
        """What a request of `protocol` that is no generation asks for."""
        if ask["op"] == "embed":
            return self.embed(ask["texts"], ask["kind"])
        if ask["op"] == "read":
            passages = [Passage(headings, text) for headings, text in ask["passages"]]
            return [packed(each) for each in load_reader().read(ask["question"], passages)]
        return self.spans(ask["texts"])

    def embed(self, texts: Sequence[str], kind: Kind) -> str:
        """The vectors of the texts: little-endian float32 in base64."""
        return base64.b64encode(self.embedding.encode(texts, kind=kind).astype("<f4").tobytes()).decode()

    def spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """The spans of the word pieces of each text."""
        return self.embedding.token_spans_many(texts)

    def count_tokens(self, text: str) -> int:
        """Word pieces of a text."""
        return len(self.embedding.token_spans(text))

    def render(self, messages: Sequence[Message]) -> str:
        """Raises GenerationFailed."""
        raise self._no_writer()

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """Raises GenerationFailed."""
        raise self._no_writer()

    def close(self) -> None:
        """Nothing to close: the memory goes with the process."""

    def _no_writer(self) -> GenerationFailed:
        return GenerationFailed(
            _("{name} is an embedding model; it writes nothing").format(name=self.name),
            hint=_("name a language model: qrag model list"),
        )


def open_hosted_embedding(
    address: str,
    folder: Path,
    *,
    query_prefix: str | None = None,
    passage_prefix: str | None = None,
    idle_s: float = 600.0,
    tell: Tell = warn,
    instead: Callable[[], Embedder] | None = None,
) -> HostedEmbedding:
    """The embedding model at an address, hosted by a worker below `folder`. Raises ModelError as loading does.

    instead: opens the model here, once no worker can be had any more.
    """
    arguments = {"address": address, "query_prefix": query_prefix, "passage_prefix": passage_prefix}
    if (place := Path(address).expanduser()).is_dir():
        # a worker stands in another folder; weights that were exchanged are another model
        arguments |= {"address": str(place.resolve()), "weights": fingerprint(place)}
    return HostedEmbedding(open_worker(FACTORY, arguments, folder, idle_s=idle_s, tell=tell), instead)


def build(arguments: Arguments) -> Built:
    """The host of an embedding model, in its worker. Raises ModelError as loading does, ModelTooLarge before it."""
    _check_room(arguments["address"])  # before torch is here
    from local_models.embedding.sentence_embedding import open_embedding

    embedding = open_embedding(
        arguments["address"], query_prefix=arguments["query_prefix"], passage_prefix=arguments["passage_prefix"]
    )
    names = ("model_id", "dimensions", "max_tokens", "overhead_tokens")
    about: dict[str, Any] = {name: getattr(embedding, name) for name in names}
    return EmbeddingHost(embedding), about


def smaller(arguments: Arguments, reason: Reason) -> Arguments | None:
    """None: there is no smaller way to load an embedding model."""
    return None


def _check_room(address: str) -> None:
    from local_models.checkpoint.model_folder import find_model, weights_of
    from local_models.embedding.e5_file import E5, find_e5
    from local_models.embedding.pooling import read_recipe

    if address == E5:
        need = PROCESS_BYTES + 4 * find_e5().stat().st_size  # 4 bits become 16
    else:
        folder = find_model(address)
        need = PROCESS_BYTES + sum(path.stat().st_size for path in weights_of(read_recipe(folder).transformer))
    there = available_memory().available + resident_bytes()
    if there < need:
        raise ModelTooLarge(
            _("the embedding model {address} needs {need} of memory, and {there} are there").format(
                address=address, need=size(need), there=size(there)
            ),
            hint=_("close other programs, or raise the memory limit; --mode lexical searches without it"),
        )


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    n = 0
    for text in texts:
        if batch and (len(batch) == _BATCH_TEXTS or n + len(text) > _BATCH_CHARACTERS):
            yield batch
            batch, n = [], 0
        batch.append(text)
        n += len(text)
    if batch:
        yield batch
