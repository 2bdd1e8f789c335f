"""The program `pcapdiag`, also as `python -m pcapdiag`: the command line, and then the end of the process at once."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

from pcapdiag.cli import main
from pcapdiag.garbage import collected_rarely


@collected_rarely()
def run() -> NoReturn:
    """Run a command. What the process holds then goes with it: Python would first take every finished session apart, object
    by object, for a tenth of the whole time."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of numpy's linear algebra, which nobody here asks for
    try:
        main()
    except SystemExit as end:  # its traceback holds the command's context, and that what took long to make
        _leave(end.code if isinstance(end.code, int) else int(end.code is not None))
    _leave(0)


def _leave(status: int) -> NoReturn:
    if "multiprocessing" in sys.modules:  # else there are no helpers, and no need to import it
        helpers = sys.modules["multiprocessing"].active_children()
        for helper in helpers:
            helper.kill()
        for helper in helpers:
            helper.join()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None: it was closed before we began
        with suppress(OSError, ValueError):  # closed, or nobody reads any more: the report has said so
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
