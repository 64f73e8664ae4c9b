"""PDF.

::

    pdf        a file to its text
    pages      the text of a page in reading order
    bookmarks  its outline as headings
"""
