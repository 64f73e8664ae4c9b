"""What depends on a human language: detection, sentences, words and index terms.

Portuguese and English are known; text in any other language is "und" and degrades
gracefully: sentences by punctuation, terms by both stemmers.

::

    detection     which language a text is in
    segmentation  blocks and sentences, as spans of the text
    stops         whether a full stop ends a sentence
    cutting       stretches without one, in pieces that can be read
    analysis      words, and the terms of the index
    stopwords     function words
    identifiers   CPF, CNPJ, telephones, process and law numbers, with and without their marks
    numerals      numbers as Brazilian laws write them
    law           where each provision of a legal text begins and ends
    references    the provisions that a question names
    quote_text    a quote without the marks of Markdown and HTML
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
