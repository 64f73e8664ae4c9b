"""Formats that are plain text.

::

    txt   text
    csv   tables
    json  JSON and JSON lines
"""
