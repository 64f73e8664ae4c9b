"""A dozen records in two languages, ingested once a run with the packaged model."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

RECORDS: list[dict[str, Any]] = [
    {
        "id": "matricula",
        "text": "A matrícula é feita na secretaria em fevereiro. O estudante leva o diploma e a identidade. "
        "Quem perde o prazo paga uma taxa de trinta reais.",
        "metadata": {"year": 2021},
    },
    {
        "id": "biblioteca",
        "text": "A biblioteca abre às oito horas. Cada leitor empresta até cinco livros por quinze dias. "
        "A multa por atraso é de um real por dia e por livro.",
        "metadata": {"year": 2022},
    },
    {
        "id": "bolsa",
        "text": "A bolsa de iniciação científica dura doze meses. O orientador envia o relatório em agosto. "
        "O bolsista não pode ter vínculo de emprego.",
        "metadata": {"year": 2023},
    },
    {
        "id": "refeitorio",
        "text": "O refeitório serve almoço das onze às catorze horas. O preço da refeição é de três reais. "
        "O cardápio da semana é publicado na segunda-feira.",
        "metadata": {"year": 2023},
    },
    {
        "id": "estagio",
        "text": "O estágio obrigatório tem trezentas horas. A empresa assina um termo de compromisso. "
        "O relatório do estágio é entregue ao coordenador do curso.",
        "metadata": {"year": 2020},
    },
    {
        "id": "lighthouse",
        "text": "The lighthouse was built in 1871 on the northern cape. Its lamp burned whale oil at first. "
        "The keeper climbed two hundred steps every evening.",
        "metadata": {"year": 1871},
    },
    {
        "id": "bees",
        "text": "Honey bees dance to tell the others where flowers are. A waggle shows the direction of the sun. "
        "The length of the dance gives the distance.",
        "metadata": {"year": 1946},
    },
    {
        "id": "bridge",
        "text": "The bridge over the river was closed for repairs in May. Its cables had rusted near the anchors. "
        "Traffic was sent through the old tunnel.",
        "metadata": {"year": 1999},
    },
    {"id": "copy-a", "text": "The warranty covers the motor for two years.", "metadata": {"year": 2001}},
    {"id": "copy-b", "text": "The warranty covers the motor for two years.", "metadata": {"year": 2002}},
]


@lru_cache(maxsize=1)
def small_workspace() -> Workspace:
    """The workspace of RECORDS, open; nobody may change it."""
    folder = Path(mkdtemp(prefix="qrag-small-")) / "w"
    workspace = Workspace.open(folder, settings=Settings(workspace=folder, embedding_model="minilm"))
    workspace.ingest(RECORDS, on_progress=lambda *_told: None)
    return workspace
