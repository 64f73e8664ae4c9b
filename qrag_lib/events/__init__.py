"""What happened in a workspace, noted on this machine for whoever analyses it later; nothing is sent anywhere.

::

    notes  what a workspace notes of its work
    event  one question, ingest or model call, as a value
    replay a question asked again: the same answer, or what differs and why
    spool  the file that they are appended to: bounded, never in the way
"""
