"""The command `qrag`: every verb of a workspace, for people on a terminal and for programs.

::

    command      a command from its words to its exit code
    arguments    what may be written on the command line
    parser       how it is taken apart, and mistakes in it told
    exits        what the exit codes mean
    interrupts   Ctrl-C, at whatever moment it comes
    options      what the options that every command takes stand for
    verbs        a function a verb: opens the workspace, calls its method, returns the value
    model, hub   the verbs of `qrag model`
    settings_table  the settings as a table
    printing     the value on standard output, errors and progress on standard error
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code, as listed by `qrag --help`.

    arguments: those of the program itself where None; Ctrl-C then ends the program at once.
    """
    try:  # everything else is imported inside, so that Ctrl-C is heard from the first moment on
        from qrag_lib.cli.command import run

        return run(arguments)
    except KeyboardInterrupt:
        from qrag_lib.cli.interrupts import interrupted

        return interrupted(ends=arguments is None)
