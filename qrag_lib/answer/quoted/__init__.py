"""Answers made of sentences of the documents.

::

    quotes      sentences weighed, chosen, cited; or the nearest passages opened
    spans       what the reader finds in the passages
    judgement   what reader, words and search say together
    confidence  how sure the best evidence makes an answer, without a reader
    mismatch    another year, number or thing than the question's
"""
