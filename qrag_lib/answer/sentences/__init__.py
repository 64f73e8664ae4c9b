"""Sentences of the passages as evidence for a question. No language model.

::

    tokens             a text that is read word by word
    question_words     words that tell what is asked
    question_analysis  what a question asks for
    sentence_scoring   the candidates, their features and scores
    claims             numbers, names and negations, which must agree to the letter
    boilerplate        reference lists, contents, menus: they answer last
    asked_provisions   a provision that the question names
"""
