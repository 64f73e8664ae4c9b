"""A workspace looked after.

::

    doctor           files, catalogue, vectors and models looked through, and mended
    doctor_models    the language models among them
    documents_table  the documents as a table
    system           what there is and what it takes
    overview         the workspace at a glance
"""
