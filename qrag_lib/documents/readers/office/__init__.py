"""Office files.

::

    container  which of them a zip file is
    ooxml      what the XML formats share
    docx       Word
    pptx       PowerPoint
    xlsx       Excel
    odt        OpenDocument
    rtf        Rich Text
"""
