"""Documents that are written on the spot, the same for the same seed."""

from __future__ import annotations

import random
from pathlib import Path

WORDS = (  # noqa: SIM905
    "prazo contrato reitor edital matrícula bolsa biblioteca sessão conselho parecer estágio disciplina crédito "
    "deadline contract board report library scholarship session council thesis credit review grant campus"
).split()


def passage(name: str, n_sentences: int, seed: int = 0) -> str:
    """Sentences of known words, each with a number of its own."""
    drawn = random.Random(f"{name}-{seed}")
    lines = [" ".join(drawn.choices(WORDS, k=9)) + f" {drawn.randrange(10**6)}." for _ in range(n_sentences)]
    return "\n".join(line.capitalize() for line in lines)


def write(folder: Path, n: int, n_sentences: int = 6, seed: int = 0) -> Path:
    """A folder of n text files, named 000.txt and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        (folder / f"{number:03}.txt").write_text(passage(f"{number:03}", n_sentences, seed))
    return folder
