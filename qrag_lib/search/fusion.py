"""One ranking out of two judgements: cosine of the dense side, share of the lexical side. Pure functions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Matrix = NDArray[np.float32]
T = TypeVar("T", bound=Hashable)

COMMON: Final = 0.1  # share of the texts that makes a language one of the corpus's
DAMPING: Final = 60  # ranks; Cormack et al., SIGIR 2009


@dataclass(frozen=True, slots=True)
class Blend:
    """How the cosine of one embedder stands beside the lexical share.

    floor, ceiling: cosines that count as 0 and as 1, so that a weight means the same for every embedder.
    prior: weight of the dense side by language, before anything is known of a corpus.
    across: the same for a question in a language that the texts are not in: few words can match.
    questions: clozes that a weight is fitted to, of each language (`search.fusion_weight`); prior_questions: how
    many of them the prior counts for.
    foreign: what a text gets back that is not in the question's language: both sides favour those that are.
    """

    floor: float
    ceiling: float
    prior: Mapping[str, float]
    across: float
    questions: int
    prior_questions: int
    foreign: float = 0.0

    def scaled(self, cosine: Scores) -> Scores:
        """The cosines (n,) from 0, what unrelated texts have, to 1, the same text; monotonous, not clipped.

        >>> E5_PT_EN.scaled(np.array([0.7, 0.95])).round(2).tolist()
        [0.0, 1.0]
        """
        return (cosine - self.floor) / (self.ceiling - self.floor)


# all-MiniLM-L6-v2 was trained on English; its cosines use the whole range. So may those of a model not known here.
MINILM: Final = Blend(0.0, 1.0, {"pt": 0.2, "en": 0.5, "und": 0.4}, across=0.7, questions=120, prior_questions=100)
# Nearly all cosines of E5 lie between these two: it was trained at a temperature of .01 (Wang et al., 2022).
# The prior is within .01 nDCG@10 of the best fixed weight on seven sets; what clozes prefer strays further
# (experiments/retrieval_baseline), so the prior counts for more of them; half as many are posed, for each costs twice
# as much. With .03 given back the first five passages answer 41 of natural-train's 70 questions across languages,
# without it 37; of its 291 others 222 and 225.
E5_PT_EN: Final = Blend(
    0.7, 0.95, {"pt": 0.55, "en": 0.5, "und": 0.5}, across=0.8, questions=60, prior_questions=400, foreign=0.03
)
BLENDS: Final = {"e5-pt-en-": E5_PT_EN}  # by how a model_id begins


def blend_of(model_id: str) -> Blend:
    """The constants of an embedder; those of MiniLM for one that is not known.

    >>> blend_of("e5-pt-en-0b1c").across, blend_of("a folder").floor
    (0.8, 0.0)
    """
    return next((blend for start, blend in BLENDS.items() if model_id.startswith(start)), MINILM)


def convex(cosine: Scores, share: Scores, weight: float) -> Scores:
    """The fused scores (n,): `weight` of the scaled cosine, the rest of the lexical share.

    Both have bounds of their own (1 at best), so nothing is stretched to the candidates at hand:
    a question whose words say little leaves the decision to the dense side by itself. A NaN counts as 0.

    >>> convex(np.array([0.5, 0.2]), np.array([0.0, 0.9]), 0.2).round(2).tolist()
    [0.1, 0.76]
    """
    return weight * np.nan_to_num(cosine) + (1 - weight) * np.nan_to_num(share)


def is_foreign(language: str, question: str) -> bool:
    """Whether a text is in another language than the question; where nobody knows, it is not.

    >>> is_foreign("en", "pt"), is_foreign("und", "pt")
    (True, False)
    """
    return "und" not in (language, question) and language != question


def rrf(rankings: Sequence[Sequence[T]], damping: int = DAMPING) -> dict[T, float]:
    """Scores by equal-weight reciprocal rank fusion, 1.0 for what leads every ranking.

    rankings: lists, best first; a list may miss what another has.

    >>> max(rrf([["a", "b"], ["b", "c"]]).items(), key=lambda item: item[1])[0]
    'b'
    """
    scores: dict[T, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + (damping + 1) / (damping + rank) / len(rankings)
    return scores


def prior_weight(language: str, languages: Mapping[str, int], blend: Blend = MINILM) -> float:
    """Weight of the dense side by the language of the question and how many texts are in which.

    >>> prior_weight("pt", {"pt": 9}), prior_weight("pt", {"en": 9})
    (0.2, 0.7)
    """
    known = common(languages)
    if language == "und" and known:
        return blend.prior[known[0]]
    foreign = known and language not in known and known != ["und"]
    return blend.across if foreign else blend.prior[language]


def common(languages: Mapping[str, int]) -> list[str]:
    """The languages of a corpus, most frequent first, without those that few of its texts are in."""
    total = sum(languages.values())
    kept = [each for each, n in languages.items() if each in MINILM.prior and n >= COMMON * total]
    return sorted(kept, key=lambda each: (each == "und", -languages[each], each))
