"""`Elsewhere`: a thing that another process makes and holds, and that can be asked about.

A question is a function of the thing that yields answers; it runs where the thing is, some handfuls of answers ahead of who
reads them, and they come back in its order. Several questions may be open at once, and one that is dropped costs little more.
What it refuses to know: what the thing is, and what is asked. Questions and answers are pickled: functions of modules,
or partials of them. It belongs to one thread.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count, islice
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from pcapdiag.errors import PcapdiagError
from pcapdiag.garbage import collected_rarely

T = TypeVar("T")
A = TypeVar("A")

HANDFUL = 64
"""Answers that travel together, at most: each alone would cost more to send than to find."""
OCTETS = 48 << 10
"""About as many travel together, at most: the pipe holds some such handfuls, so that nobody waits for the other."""
AHEAD = 8
"""Handfuls that are found before anybody reads them, at most."""


class HelperFailed(RuntimeError):
    """Something that nobody expected was raised in the other process; its traceback stands in the notes."""


class Elsewhere(Generic[T]):
    """Another process, which makes a thing as soon as this object exists, and then answers."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._numbers = count()
        self._open: dict[int, deque[_Handful]] = {}
        """What came to each question and was not read yet."""
        self._pipe, theirs = multiprocessing.Pipe()
        _ours.add(self._pipe)
        self._process = helping(partial(_serve, make, self._pipe, theirs))
        theirs.close()

    def ask(self, question: Callable[[T], Iterable[A]]) -> Iterator[A]:
        """The answers to a question, as they are read.

        Raises:
            PcapdiagError: the other process was ended from outside, or raised this.
            HelperFailed: what else was raised there, by the making of the thing or by the question.
        """
        pickled = _pickled(question)
        number = next(self._numbers)
        self._open[number] = deque()
        try:
            self._send(number, _LISTEN)
            self._next(number)  # it listens
            self._send(number, pickled)
            more = True
            while more:
                answers, more, error = self._next(number)
                if more:
                    self._send(number, _MORE)  # it looks for further ones while these are used
                yield from answers
                if error is not None:
                    raise error
        finally:
            del self._open[number]
            self._send(number, _DROP)

    def _send(self, number: int, request: str | bytes) -> None:
        with suppress(OSError):  # it is gone: who waits for an answer will be told
            self._pipe.send((number, request))

    def _next(self, number: int) -> _Handful:
        """The next answers to that question; those to others are kept for whoever asked."""
        waiting = self._open[number]
        try:
            while not waiting:
                to, handful = self._pipe.recv()
                if to in self._open:  # else it was dropped meanwhile
                    self._open[to].append(handful)
        except (EOFError, OSError):
            self._process.join()
            raise PcapdiagError(
                f"a helping process was ended from outside (exit status {self._process.exitcode}), perhaps for want "
                "of memory; --processes 1 does without"
            ) from None
        return waiting.popleft()

    def close(self) -> None:
        """End the other process; what it holds is gone."""
        self._pipe.close()
        self._process.terminate()
        self._process.join()


_Handful = tuple[list[Any], bool, Exception | None]
"""Some answers, whether there may be more, and what was raised behind them."""

_LISTEN, _MORE, _DROP = "listen", "more", "drop"
"""What is sent under the number of a question: before the question itself, and then for each handful that was read. A
question may be long, and so may answers be: who writes must not be written to, so the other one listens first."""

_LISTENING: _Handful = ([], True, None)


def helping(work: Callable[[], None]) -> multiprocessing.Process:
    """Another process, which does this work and ends with us."""
    process = multiprocessing.Process(target=_help, args=(work,), daemon=True)
    process.start()
    return process


@collected_rarely()
def _help(work: Callable[[], None]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(KeyboardInterrupt):  # like the first process, which speaks for both
        work()


_ours: weakref.WeakSet[Connection] = weakref.WeakSet()
"""This process' ends of its pipes. Where processes are forked each inherits them all, and must not keep them open: those at their
other ends would wait for this process when it has long gone, or has done with them."""


def _serve(make: Callable[[], Any], theirs: Connection, pipe: Connection) -> None:
    """The life of the other process."""
    theirs.close()
    for pipe_of_other in list(_ours):
        pipe_of_other.close()
    try:
        answers = _Answers(make)
        while True:
            wanted = answers.wanted()
            if wanted is not None and not pipe.poll():
                pipe.send_bytes(answers.handful(wanted))
                continue
            number, request = pipe.recv()
            if request == _LISTEN:
                pipe.send((number, _LISTENING))
                number, request = pipe.recv()
            answers.hear(number, request)
    except (EOFError, OSError):
        pass  # who asked is gone


def _end_with_parent() -> None:
    """Nobody is left to answer, and the thing may be minutes from being made."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class _Question:
    """A question that is open."""

    def __init__(self, answers: Iterator[Any]) -> None:
        self.answers = answers
        self.wanted = AHEAD
        """How many handfuls may be found now."""
        self.size = 1
        """How many answers go into the next one, judged by the octets of the last."""


class _Answers:
    """The answers to all open questions, of the thing or of the reason why there is none."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._questions: dict[int, _Question] = {}
        self._error: Exception | None = None
        try:
            self._thing = make()
        except Exception as error:
            self._error = portable(error)

    def hear(self, number: int, request: str | bytes) -> None:
        """A question, or what its owner wants of it now."""
        if isinstance(request, bytes):
            self._questions[number] = _Question(self._answers(request))
        elif request == _DROP:
            self._questions.pop(number, None)
        elif number in self._questions:  # else all was sent meanwhile
            self._questions[number].wanted += 1

    def _answers(self, question: bytes) -> Iterator[Any]:
        if self._error is not None:
            raise self._error
        yield from pickle.loads(question)(self._thing)  # our own octets, from the process that made this one

    def wanted(self) -> int | None:
        """The question of which a handful may be found now: the last one asked is the first that is waited for."""
        return next((number for number, question in reversed(self._questions.items()) if question.wanted), None)

    def handful(self, number: int) -> bytes:
        """The next answers to that question, pickled with its number."""
        question = self._questions[number]
        found: list[Any] = []
        error = None
        try:
            found.extend(islice(question.answers, question.size))
        except Exception as raised:
            error = portable(raised)
        more = error is None and len(found) == question.size
        try:
            pickled = _pickled((number, (found, more, error)))
        except Exception as raised:  # not all that is found can travel
            more = False
            pickled = _pickled((number, ([], more, portable(raised))))
        if more:
            question.wanted -= 1
            question.size = min(HANDFUL, question.size * OCTETS // len(pickled)) or 1
        else:
            del self._questions[number]
        return pickled


def _pickled(thing: object) -> bytes:
    return pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)


def portable(error: Exception) -> Exception:
    """What can be sent of an error: our own ones can travel; of any other not even that is known, so its words do."""
    if isinstance(error, (PcapdiagError, HelperFailed)):
        return error
    failed = HelperFailed(f"{type(error).__name__}: {error}")
    failed.add_note("".join(traceback.format_exception(error)))
    return failed
