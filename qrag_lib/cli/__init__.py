"""The command `qrag`: every verb of a workspace, for people on a terminal and for programs.

::

    arguments    what may be written on the command line
    parser       how it is taken apart, and mistakes in it told
    exits        what the exit codes mean
    verbs        a function a verb: opens the workspace, calls its method, returns the value
    printing     the value on standard output, errors and progress on standard error
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from qrag_lib.cli import printing
from qrag_lib.cli.arguments import language_of, parse
from qrag_lib.cli.exits import Exit, exit_of
from qrag_lib.errors import QragError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code, as listed by `qrag --help`."""
    from qrag_lib.settings import quiet, use_language

    quiet()
    printing.speak_utf8()
    written = list(sys.argv[1:] if arguments is None else arguments)
    if language := language_of(written):
        use_language(language)
    try:
        return _run(parse(written))
    except BrokenPipeError:
        return printing.reader_left()


def _run(options: Namespace) -> int:
    from qrag_lib.cli.verbs import VERBS

    try:
        value = VERBS[options.verb](options)
    except QragError as error:
        return printing.failed(error, options)
    except KeyboardInterrupt:
        return printing.interrupted()
    except BrokenPipeError:
        raise
    except Exception as error:
        return printing.broke(error, options)
    printing.result(value, options)
    return int(exit_of(value)) if value is not None else Exit.DONE
