"""Where vectors are searched: derived from the catalogue, and never asked for the text.

::

    dense   the vectors of an index, searched; brought up to date after each commit
    chroma  Chroma's folders, written once and switched
"""
