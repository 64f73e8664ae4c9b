"""Formats that are text with marks.

::

    markdown  Markdown
    rst       reStructuredText
    html      web pages
    xml       XML
    epub      electronic books
    mail      messages
    ipynb     notebooks
"""
