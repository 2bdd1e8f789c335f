"""Who draws and reads keys: a thread beside the one that watches. The terminal gets back what it had, whatever happens.

The screen belongs to the view as long as it is there: what others write to standard error becomes a line of it, and is
repeated when the view has gone.
"""

from __future__ import annotations

import io
import os
import select
import sys
import termios
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pcapdiag.analysis import Judged
from pcapdiag.live.events import Event, Pulse
from pcapdiag.live.telling import Teller
from pcapdiag.live.view.board import Board, Row
from pcapdiag.live.view.keys import Key, Keyboard
from pcapdiag.live.view.report import Report
from pcapdiag.live.view.screen import Screen
from pcapdiag.report.clock import Clock

DRAW_S = 0.2
PATIENCE_S = 2.0
ESCAPE_S = 0.05
"""The rest of a key's sequence follows within that."""
MOST_BEHIND = 1 << 20
"""Octets: with more to judge first, nobody looks at sessions that run."""
_KEY_LINES = {Key.UP: -1, Key.DOWN: 1}


def load() -> None:
    """Import and draw once what is needed late: who is no longer root may not be able to read it."""
    with io.StringIO() as nowhere:
        with Live(Text("é…漢"), console=Console(file=nowhere, force_terminal=True, width=20, height=5), screen=True):
            pass
        Console(file=nowhere, force_terminal=True).print(Text.from_ansi("\x1b[1mé\x1b[0m", style="bold red reverse"))


class View:
    """Shows what it hears, until `close`."""

    def __init__(
        self, teller: Teller, so_far: Callable[[Collection[int]], Iterable[Judged]], quit: Callable[[], None]
    ) -> None:
        """`so_far` judges sessions that run, called where events are heard. `quit` is called for q, from the drawing thread."""
        self._teller, self._so_far, self._quit = teller, so_far, quit
        self.board = Board(teller.shown, teller.names.address)
        self._clock = Clock(teller.options.zone)
        self._keyboard = Keyboard()
        self._console = Console(highlight=False, markup=False, emoji=False, no_color=not teller.options.colour)
        self._names = teller.info().path
        self._only = False
        self._chosen: int | None = None
        """None: the first row, whichever that is."""
        self._first = 0
        self._open: Report | None = None
        self._seen: frozenset[int] = frozenset()
        """Running sessions on the screen."""
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._work, name="view", daemon=True)
        self._terminal = ExitStack()
        self._failure: Exception | None = None

    # --- The thread that watches --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take the terminal."""
        self._terminal.enter_context(_taken(self.board))
        self._thread.start()

    def hear(self, event: Event) -> None:
        """See `Listener`. With every pulse the sessions on the screen that run are looked at."""
        self.board.hear(event)
        if isinstance(event, Pulse) and event.waiting < MOST_BEHIND:
            for judged in self._so_far(self._seen):
                self.board.look(judged)

    def close(self) -> None:
        """Give the terminal back."""
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)
        self._terminal.close()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    # --- The thread that draws ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._show()
        except OSError:  # the terminal has gone
            self._quit()
        except Exception as error:  # a mistake of ours: `close` tells
            self._failure = error
            self._quit()

    def _show(self) -> None:
        drawn: object = None
        with Live(Text(""), console=self._console, screen=True, auto_refresh=False, redirect_stdout=False,
                  redirect_stderr=False) as live:  # fmt: skip
            while not self._leaving.is_set():
                size = _size()
                self._console.size = size
                state = (
                    size,
                    self.board.version,
                    self._only,
                    self._chosen,
                    self._first,
                    self._open and self._open.first,
                )
                if state != drawn:
                    live.update(self._picture(size), refresh=True)
                    drawn = state
                for key in self._pressed():
                    self._press(key, self._screen(size))

    def _pressed(self) -> Iterator[Key]:
        """Keys, if any come within a moment."""
        descriptor = sys.stdin.fileno()
        if not select.select([descriptor], [], [], DRAW_S)[0]:
            return
        octets = os.read(descriptor, 1024)
        if not octets:  # the terminal has gone
            self._quit()
            time.sleep(DRAW_S)
        yield from self._keyboard.keys(octets)
        if not select.select([descriptor], [], [], ESCAPE_S)[0]:
            yield from self._keyboard.keys(b"")

    def _screen(self, size: os.terminal_size) -> Screen:
        return Screen(size.columns, size.lines, self._clock, unicode=self._teller.options.unicode)

    def _picture(self, size: os.terminal_size) -> Text:
        screen = self._screen(size)
        note = next(reversed(self.board.notes), "")
        if (opened := self._open) is not None:
            opened.look(self.board.row(opened.row.id))
            self._seen = frozenset((opened.row.id,))
            opened.first = max(0, min(opened.first, len(opened.lines(screen.columns)) - screen.room))
            return screen.report(opened, note)
        rows = self.board.rows(dropped_only=self._only)
        at = self._place(rows)
        self._first = max(0, min(max(min(self._first, at), at - screen.room + 1), len(rows) - screen.room))
        self._seen = frozenset(row.id for row in rows[self._first : self._first + screen.room] if not row.ended)
        chosen = rows[at].id if rows else None
        return screen.sessions(self._names, self.board.numbers(), rows, self._first, chosen, note, self._only)

    def _place(self, rows: list[Row]) -> int:
        """Where the bar is."""
        return next((at for at, row in enumerate(rows) if row.id == self._chosen), 0)

    def _press(self, key: Key, screen: Screen) -> None:
        if key is Key.QUIT:
            self._quit()
        elif self._open is not None:
            self._scroll(self._open, key, screen.room)
        elif key is Key.DROPPED:
            self._only = not self._only
        else:
            self._move(key, screen.room)

    def _move(self, key: Key, room: int) -> None:
        rows = self.board.rows(dropped_only=self._only)
        if not rows:
            return
        at = self._place(rows)
        if key is Key.OPEN:
            self._choose(rows, at)
            self._open = Report(rows[at], self._teller)
            return
        self._choose(rows, _moved(at, key, room, len(rows) - 1))

    def _choose(self, rows: list[Row], at: int) -> None:
        """At the top the bar stays at the top, elsewhere with its session."""
        self._chosen = rows[at].id if at else None

    def _scroll(self, opened: Report, key: Key, room: int) -> None:
        if key in (Key.BACK, Key.OPEN):
            self._open = None
        else:
            opened.first = _moved(opened.first, key, room, 1 << 30)


def _moved(at: int, key: Key, room: int, last: int) -> int:
    steps = {**_KEY_LINES, Key.PAGE_UP: 1 - room, Key.PAGE_DOWN: room - 1, Key.FIRST: -at, Key.LAST: last - at}
    return max(0, min(at + steps.get(key, 0), last))


def _size() -> os.terminal_size:
    """A terminal that does not know is taken for a usual one."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return size if size.columns and size.lines else os.terminal_size((80, 24))


class _Aside(io.TextIOBase):
    """Standard error while the view has the screen."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._begun = ""

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            if line.strip():
                self._board.note(line)
        self._begun = self._begun[-1000:]
        return len(text)


@contextmanager
def _taken(board: Board) -> Iterator[None]:
    """Keys come at once and are not shown; Ctrl-C remains a signal, Ctrl-Z does not stop us with the screen in our hands."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    mode = termios.tcgetattr(descriptor)
    mode[3] &= ~(termios.ECHO | termios.ICANON)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    mode[6][termios.VSUSP] = b"\0"
    termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)
    errors, sys.stderr = sys.stderr, _Aside(board)
    try:
        yield
    finally:
        sys.stderr = errors
        with suppress(termios.error, OSError):  # it may have gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
            for line in board.notes:
                print(line, file=sys.stderr)
