"""`Elsewhere`: a thing that another process makes and holds, and that can be asked about.

A question is a function of the thing that yields answers; it runs where the thing is, a handful of answers ahead of who reads
them, and they come back in its order. Several questions may be open at once, and one that is dropped costs nothing more.
What it refuses to know: what the thing is, and what is asked. Questions and answers are pickled: functions of modules,
or partials of them. It belongs to one thread.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count, islice
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, TypeVar

from pcapdiag.errors import PcapdiagError

T = TypeVar("T")
A = TypeVar("A")

HANDFUL = 32
"""Answers that travel together: each alone would cost more to send than to find."""


class HelperFailed(RuntimeError):
    """Something that nobody expected was raised in the other process; its traceback stands in the notes."""


class Elsewhere(Generic[T]):
    """Another process, which makes a thing as soon as this object exists, and then answers."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._numbers = count()
        self._open: dict[int, deque[_Answers | BaseException]] = {}
        self._due: set[int] = set()
        """Questions of which some answers are on their way."""
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = helping(partial(_serve, make, self._pipe, theirs))
        theirs.close()

    def ask(self, question: Callable[[T], Iterable[A]]) -> Iterator[A]:
        """The answers to a question, as they are read.

        Raises:
            PcapdiagError: the other process was ended from outside, or raised this.
            HelperFailed: what else was raised there, by the making of the thing or by the question.
        """
        number = next(self._numbers)
        self._open[number] = deque()
        self._collect()
        try:
            self._send(number, question)
            more = True
            while more:
                answers, more = self._next(number)
                if more:
                    self._send(number, _MORE)  # it looks for the next ones while these are used
                yield from answers
        finally:
            del self._open[number]
            self._send(number, _DROP)

    def _send(self, number: int, request: Any) -> None:
        with suppress(OSError):  # it is gone: who waits for an answer will be told
            self._pipe.send((number, request))
        if request != _DROP:
            self._due.add(number)

    def _collect(self) -> None:
        """Take in what is on its way. A question may be long, and so may answers be: who writes must not be written to."""
        with suppress(EOFError, OSError):
            while self._due:
                self._receive()

    def _receive(self) -> None:
        number, answers = self._pipe.recv()
        self._due.discard(number)
        if number in self._open:  # else it was dropped meanwhile
            self._open[number].append(answers)

    def _next(self, number: int) -> _Answers:
        """The next answers to that question; those to others are kept for whoever asked."""
        waiting = self._open[number]
        try:
            while not waiting:
                self._receive()
        except (EOFError, OSError):
            self._process.join()
            raise PcapdiagError(
                f"a helping process was ended from outside (exit status {self._process.exitcode}), perhaps for want "
                "of memory; --processes 1 does without"
            ) from None
        first = waiting.popleft()
        if isinstance(first, BaseException):
            raise first
        return first

    def close(self) -> None:
        """End the other process; what it holds is gone."""
        self._pipe.close()
        self._process.terminate()
        self._process.join()


_Answers = tuple[list[Any], bool]
"""Some answers, and whether there may be more."""

_MORE, _DROP = "more", "drop"
"""What is sent under the number of a question after the question itself."""


def helping(work: Callable[[], None]) -> multiprocessing.Process:
    """Another process, which does this work and ends with us."""
    process = multiprocessing.Process(target=_help, args=(work,), daemon=True)
    process.start()
    return process


def _help(work: Callable[[], None]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(KeyboardInterrupt):  # like the first process, which speaks for both
        work()


def _serve(make: Callable[[], Any], theirs: Connection, pipe: Connection) -> None:
    """The life of the other process."""
    theirs.close()  # inherited, where processes are forked: it must not keep the pipe open when its owner dies
    try:
        thing = _Outcome(make)
        questions: dict[int, Iterator[Any]] = {}
        while True:
            number, asked = pipe.recv()
            if asked == _DROP:
                questions.pop(number, None)
            else:
                pipe.send_bytes(thing.answers(questions, number, asked))
    except (EOFError, OSError):
        pass  # who asked is gone


def _end_with_parent() -> None:
    """Nobody is left to answer, and the thing may be minutes from being made."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class _Outcome:
    """The thing, or why there is none."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._error: BaseException | None = None
        try:
            self._thing = make()
        except Exception as error:
            self._error = portable(error)

    def answers(self, questions: dict[int, Iterator[Any]], number: int, asked: Any) -> memoryview:
        """The next answers to that question, pickled with its number."""
        if self._error is not None:
            return ForkingPickler.dumps((number, self._error))
        try:
            if asked != _MORE:
                questions[number] = iter(asked(self._thing))
            some = list(islice(questions[number], HANDFUL))
            return ForkingPickler.dumps((number, (some, len(some) == HANDFUL)))
        except Exception as error:
            return ForkingPickler.dumps((number, portable(error)))


def portable(error: Exception) -> Exception:
    """What can be sent of an error: our own ones can travel; of any other not even that is known, so its words do."""
    if isinstance(error, PcapdiagError):
        return error
    failed = HelperFailed(f"{type(error).__name__}: {error}")
    failed.add_note("".join(traceback.format_exception(error)))
    return failed
