"""How good the search and the answers are.

::

    question_sets        questions with what is right about them
    synthetic_questions  a set that the corpus poses to itself
    evaluate             a set run against a search and an answerer
    ask_ahead            its questions asked in groups
    metrics              scores, their intervals, and the test that tells two apart
    reports              what a set showed, question by question
"""
