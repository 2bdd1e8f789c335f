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
    """Run a command, and leave. Nothing that the process holds is taken apart before, object by object, nor looked through once
    more by the garbage collector."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of numpy's linear algebra, which nobody here asks for
    try:
        main()
    except SystemExit as end:  # its traceback keeps the command's context, and so the analysis, until we have left
        _leave(end.code if isinstance(end.code, int) else int(end.code is not None))
    _leave(0)


def _leave(status: int) -> NoReturn:
    """End the process at once, but leave no helper behind for others to reap, and nothing unwritten."""
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
