"""One piece of work done by several processes, each doing its share; what they find comes back in one order.

`work(share, shares)` goes over the same input in every other process and yields the things of its share with keys that
order them over all shares; this process does share 0 itself. What is found lies in temporary files, so that memory does
not grow with what has passed. What it refuses to know: what the work is.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from heapq import merge
from multiprocessing.connection import Connection
from typing import IO, Any, Generic, TypeVar

from pcapdiag.errors import PcapdiagError, SpoolFull

T = TypeVar("T")
Key = tuple[int, ...]
Work = Callable[[int, int], Iterator[tuple[Key, T]]]
Index = list[tuple[Key, int]]
"""Key of each thing, and where its pickle begins in the file."""


def in_shares(own: Iterator[tuple[Key, T]], work: Work[T], shares: int) -> Iterator[T]:
    """What all shares of the work find, in the order of the keys; `own` is share 0.

    Raises:
        SpoolFull: a temporary file cannot be written.
        PcapdiagError: whatever the work raises in any process; a process that was ended from outside.
    """
    helpers = [_Helper(work, share, shares) for share in range(1, shares)]
    try:
        with tempfile.TemporaryFile(prefix="pcapdiag-") as file:
            files: list[tuple[Index, IO[bytes]]] = [(_write(own, file), file)]
            files += [(helper.index(), helper.file) for helper in helpers]
            ordered = merge(
                *([(key, number, at) for key, at in sorted(index)] for number, (index, _) in enumerate(files))
            )
            for _, number, at in ordered:
                files[number][1].seek(at)
                thing: T = pickle.load(files[number][1])  # our own octets: nobody else writes this file
                yield thing
    finally:
        for helper in helpers:
            helper.end()


class _Helper(Generic[T]):
    """Another process, and the file that it fills."""

    def __init__(self, work: Work[T], share: int, shares: int) -> None:
        handle, self._path = tempfile.mkstemp(prefix="pcapdiag-")
        os.close(handle)
        self._told, tells = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.Process(
            target=_help, args=(work, share, shares, self._path, tells), daemon=True
        )
        self._process.start()
        tells.close()
        self.file: IO[bytes] = open(self._path, "rb")  # noqa: SIM115 - closed by `end`

    def index(self) -> Index:
        """What it found; waits until it is done."""
        try:
            told: Index | BaseException = self._told.recv()
        except EOFError:
            self._process.join()
            raise PcapdiagError(
                f"a helping process was ended from outside (exit status {self._process.exitcode}), perhaps for want of "
                "memory; --processes 1 does without"
            ) from None
        if isinstance(told, BaseException):
            raise told
        return told

    def end(self) -> None:
        if self._process.is_alive():
            self._process.terminate()
        self._process.join()
        self._told.close()
        self.file.close()
        os.unlink(self._path)


def _help(work: Work[Any], share: int, shares: int, path: str, tells: Connection) -> None:
    try:
        with open(path, "wb") as file:
            index = _write(work(share, shares), file)
        tells.send(index)
    except KeyboardInterrupt:
        pass  # the first process was interrupted too, and speaks for all
    except BaseException as error:
        tells.send(error)


def _write(found: Iterator[tuple[Key, Any]], file: IO[bytes]) -> Index:
    index: Index = []
    try:
        for key, thing in found:
            index.append((key, file.tell()))
            pickle.dump(thing, file, pickle.HIGHEST_PROTOCOL)
        file.flush()
    except OSError as error:
        raise SpoolFull(
            f"the temporary file for finished sessions cannot be written ({len(index)} sessions so far): "
            f"{error.strerror or error}; set TMPDIR (TEMP on Windows) to a folder with room"
        ) from error
    return index
