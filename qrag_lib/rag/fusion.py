"""One ranking out of two judgements: cosine of the dense side, share of the lexical side. Pure functions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Matrix = NDArray[np.float32]
T = TypeVar("T", bound=Hashable)

# Weight of the dense side before anything is known of a corpus: all-MiniLM-L6-v2 was trained on English.
PRIOR: Final = {"pt": 0.2, "en": 0.5, "und": 0.4}
ACROSS: Final = 0.7  # question in a language that the texts are not in: few words can match
COMMON: Final = 0.1  # share of the texts that makes a language one of the corpus's
DAMPING: Final = 60  # ranks; Cormack et al., SIGIR 2009


def convex(cosine: Scores, share: Scores, weight: float) -> Scores:
    """The fused scores (n,): `weight` of the cosine, the rest of the lexical share.

    Both have bounds of their own (1 at best), so nothing is stretched to the candidates at hand:
    a question whose words say little leaves the decision to the dense side by itself. A NaN counts as 0.

    >>> convex(np.array([0.5, 0.2]), np.array([0.0, 0.9]), 0.2).round(2).tolist()
    [0.1, 0.76]
    """
    return weight * np.nan_to_num(cosine) + (1 - weight) * np.nan_to_num(share)


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


def prior_weight(language: str, languages: Mapping[str, int]) -> float:
    """Weight of the dense side by the language of the question and how many texts are in which.

    >>> prior_weight("pt", {"pt": 9}), prior_weight("pt", {"en": 9})
    (0.2, 0.7)
    """
    known = common(languages)
    if language == "und" and known:
        return PRIOR[known[0]]
    return ACROSS if known and language not in known and known != ["und"] else PRIOR[language]


def common(languages: Mapping[str, int]) -> list[str]:
    """The languages of a corpus, most frequent first, without those that few of its texts are in."""
    total = sum(languages.values())
    kept = [each for each, n in languages.items() if each in PRIOR and n >= COMMON * total]
    return sorted(kept, key=lambda each: (each == "und", -languages[each], each))
