"""`%load_ext qrag_lib`: the verbs of a workspace as magics.

::

    %qrag_workspace my-papers       open (or make) a workspace; without a name, show which is open
    %ingest ~/papers                read documents and index them
    %search opening hours           passages that fit
    %ask When does it open?         an answer in quotes; also %%ask, with the question below
    %ask --model ADDRESS When ...?  an answer that a language model writes, checked against the documents
    %ask When does it open? --k 3   an answer from the three best passages; also for %search and %explain
    %explain --document a.pdf When does it open?
                                    at which stage a document, or a --phrase, was lost

What stands behind a magic is data: `$name` and `{name}` in a question are not replaced, and a question mark
at its end is the question's own. `%ask?` alone is still help. A mistake is two lines; `%tb` shows the rest.

Inside::

    line_verbs    the magics, and how the extension is loaded and unloaded
    line_options  what may stand in front of a question, or behind it
    lines         the lines that end in a question mark and are not for help
"""

from __future__ import annotations

from qrag_lib.magics.line_verbs import load_ipython_extension, unload_ipython_extension

__all__ = ["load_ipython_extension", "unload_ipython_extension"]
