"""What all formats need to make text.

::

    draft             text as it grows, with its sections
    tidy              characters that no reader should see, taken away
    encoding          bytes to text
    heading_sections  headings that a text marks by itself
    row_text          a row of a table as a line
"""
