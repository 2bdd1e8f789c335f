"""`Elsewhere`: a thing that another process makes and holds, and that can be asked about.

A question is a function of the thing that yields answers; it runs where the thing is, a handful of answers ahead of who reads
them, and they come back in its order. Several questions may be open at once, and one that is dropped costs nothing more.
What it refuses to know: what the thing is, and what is asked. Questions and answers are pickled: functions of modules,
or partials of them. It belongs to one thread.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count, islice
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from pcapdiag.errors import PcapdiagError

T = TypeVar("T")
A = TypeVar("A")

HANDFUL = 32
"""Answers that travel together: each alone would cost more to send than to find."""


class Elsewhere(Generic[T]):
    """Another process, which makes a thing as soon as this object exists, and then answers."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._numbers = count()
        self._open: dict[int, deque[_Answers | BaseException]] = {}
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_serve, args=(make, self._pipe, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, question: Callable[[T], Iterable[A]]) -> Iterator[A]:
        """The answers to a question, as they are read.

        Raises:
            PcapdiagError: the other process was ended from outside.
            BaseException: what was raised there, by the making of the thing or by the question.
        """
        number = next(self._numbers)
        self._open[number] = deque()
        try:
            self._send((number, question))
            more = True
            while more:
                answers, more = self._next(number)
                if more:
                    self._send((number, _MORE))  # it looks for the next ones while these are used
                yield from answers
        finally:
            del self._open[number]
            self._send((number, _DROP))

    def _send(self, request: tuple[int, Any]) -> None:
        with suppress(OSError):  # it is gone: who waits for an answer will be told
            self._pipe.send(request)

    def _next(self, number: int) -> _Answers:
        """The next answers to that question; those to others are kept for whoever asked."""
        waiting = self._open[number]
        while not waiting:
            try:
                told, answers = self._pipe.recv()
            except (EOFError, OSError):
                self._process.join()
                raise PcapdiagError(
                    f"a helping process was ended from outside (exit status {self._process.exitcode}), perhaps for want "
                    "of memory; --processes 1 does without"
                ) from None
            if told in self._open:
                self._open[told].append(answers)
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
                pipe.send((number, thing.answers(questions, number, asked)))
    except (KeyboardInterrupt, EOFError, OSError):
        pass  # interrupted like the first process, which speaks for both; or that one is gone


class _Outcome:
    """The thing, or why there is none."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._error: BaseException | None = None
        try:
            self._thing = make()
        except Exception as error:
            self._error = error

    def answers(self, questions: dict[int, Iterator[Any]], number: int, asked: Any) -> _Answers | BaseException:
        if self._error is not None:
            return self._error
        try:
            if asked != _MORE:
                questions[number] = iter(asked(self._thing))
            some = list(islice(questions[number], HANDFUL))
        except Exception as error:
            return error
        return some, len(some) == HANDFUL
