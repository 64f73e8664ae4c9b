"""What a language model writes for questions: a draft each, several in one pass over its weights if it is able to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from qrag_lib.answer.streaming_display import OnText
from qrag_lib.answer.written.llm_adapters import EngineWriter, Writer
from qrag_lib.answer.written.prompt import Prompt
from qrag_lib.answer.written.prompting import Conversation, assemble
from qrag_lib.errors import GenerationFailed, SettingsError
from qrag_lib.i18n import _, ngettext
from qrag_lib.types import Answer, Hit, Writing

BATCH: Final = 8  # questions a pass: a streamed model reads its weights once for all of them
LONGEST_DRAFT: Final = 20_000  # characters; a model that goes on is stopped


@dataclass(frozen=True)
class Draft:
    """What a model wrote, and what it cost; `error` is why it did not come to an end."""

    text: str
    writing: Writing | None = None
    error: Exception | None = None
    model: str = ""


def write_drafts(
    asked: Sequence[tuple[Answer, Sequence[Hit]]],
    open_writer: Callable[[], Writer | None],
    prompt: Prompt,
    on_text: OnText | None = None,
) -> list[Draft | None]:
    """A draft for each question, or None for all where no model is to write.

    asked: the quotes that answer a question, and the hits that go into its prompt. open_writer: gives the model.
    on_text: is told each piece as it is written, of one question at a time. What goes wrong on the model's side is
    in the draft, the failure of each question its own. Raises SettingsError for an address that means nothing.
    """
    try:
        writer = open_writer()
    except SettingsError:
        raise
    except Exception as error:
        return [Draft("", error=error) for _each in asked]
    if writer is None:
        return [None] * len(asked)
    asked_of = [_conversation(writer, prompt, quoted, hits) for quoted, hits in asked]
    batches = (asked_of[start : start + BATCH] for start in range(0, len(asked_of), BATCH))
    return [draft for batch in batches for draft in _written(writer, batch, on_text)]


def _conversation(writer: Writer, prompt: Prompt, quoted: Answer, hits: Sequence[Hit]) -> Conversation | Draft:
    """What is said to the model of a question, or a draft that says why there is none."""
    try:
        budget = writer.context_length - writer.room
        return assemble(prompt, quoted.question, quoted.language, hits, writer.count_tokens, budget)
    except Exception as error:  # of the model's counter, or too little room: the quotes answer in its place
        return Draft("", error=error, model=writer.name)


def _written(writer: Writer, conversations: Sequence[Conversation | Draft], on_text: OnText | None) -> list[Draft]:
    """A draft a conversation, in their order."""
    asked = [each.messages for each in conversations if isinstance(each, Conversation)]
    made = None
    if isinstance(writer, EngineWriter) and len(asked) > 1:
        try:
            made = writer.write_together(asked)
        except Exception:  # one prompt too many for the memory, say: one by one each tells its own failure
            made = None
    if made:
        written = iter([Draft(*each, model=writer.name) for each in made])
    else:
        written = iter([_draft(writer, messages, on_text) for messages in asked])
    return [next(written) if isinstance(each, Conversation) else each for each in conversations]


def _draft(writer: Writer, messages: Sequence[object], on_text: OnText | None) -> Draft:
    """All that the writer writes. Ctrl-C, and what `on_text` raises, end the writing and go on up."""
    text = ""
    stream = writer.write(messages)  # type: ignore[arg-type]
    try:
        while len(text) < LONGEST_DRAFT:
            try:
                piece = next(stream)
            except StopIteration as end:
                return Draft(text, end.value, model=writer.name)
            except Exception as error:
                return Draft(text, error=error, model=writer.name)
            text += piece
            if on_text is not None:
                on_text(piece)
    finally:
        stream.close()
    limit = ngettext(
        "the model went on beyond {n} character", "the model went on beyond {n} characters", LONGEST_DRAFT
    ).format(n=LONGEST_DRAFT)
    endless = GenerationFailed(limit, hint=_("ask for fewer tokens, or name a stop string"))
    return Draft(text, error=endless, model=writer.name)
