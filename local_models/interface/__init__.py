"""What a person reads of this package, in their language.

::

    translations   which language that is, for a thread, a process, or by the locale; the translations
    messages       the texts of this package, translated
    reached        the command `qrag` in a text, as it must be typed here
    suggest        what was probably meant by a name that is not known
    sanitize       text made harmless: escape sequences, control and bidi characters, markup
    number_format  numbers, sizes and durations as the reader's language writes them
    blocks         tables, panels and bars, for a notebook and for a terminal
    theme          how they look in a notebook
    job_progress   what a long job tells of itself
"""
