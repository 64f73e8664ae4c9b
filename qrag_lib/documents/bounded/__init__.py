"""Reading in a child process, within limits.

::

    sandbox          the child, started, fed and ended
    reading_process  what runs in it
    archive          zip files within limits
"""
