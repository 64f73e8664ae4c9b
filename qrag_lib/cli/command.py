"""One command of `qrag`, from its words to its exit code."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from qrag_lib.cli import printing
from qrag_lib.cli.arguments import language_of, parse
from qrag_lib.cli.exits import Exit, exit_of
from qrag_lib.cli.interrupts import is_interrupt
from qrag_lib.errors import QragError


def run(arguments: Sequence[str] | None) -> int:
    """Run one command; raises KeyboardInterrupt for Ctrl-C, whatever a library made of it."""
    from local_models.interface.translations import use_language
    from qrag_lib.settings import quiet

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
    from qrag_lib.events.event import on_surface

    try:
        with on_surface("prompt"):
            value = VERBS[options.verb](options)
    except QragError as error:
        return printing.failed(error, options)
    except BrokenPipeError:
        raise
    except Exception as error:
        if is_interrupt(error):
            raise KeyboardInterrupt from error
        return printing.broke(error, options)
    printing.result(value, options)
    return int(exit_of(value)) if value is not None else Exit.DONE
