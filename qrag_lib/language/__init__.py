"""What depends on a human language: detection, sentences, words and index terms.

Portuguese and English are known; text in any other language is "und" and degrades
gracefully: sentences by punctuation, terms by both stemmers.
"""

from __future__ import annotations

from qrag_lib.language.analysis import ANALYZER, ANALYZERS, fold, terms, words
from qrag_lib.language.detection import LANGUAGES, Language, detect
from qrag_lib.language.segmentation import blocks, paragraphs, sentences
from qrag_lib.language.stopwords import STOP_WORDS

__all__ = [
    "ANALYZER",
    "ANALYZERS",
    "LANGUAGES",
    "STOP_WORDS",
    "Language",
    "blocks",
    "detect",
    "fold",
    "paragraphs",
    "sentences",
    "terms",
    "words",
]
