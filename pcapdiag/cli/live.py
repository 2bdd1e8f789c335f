"""``pcapdiag live``: interfaces in, verdicts out, as sessions end."""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from pcapdiag.cli import complain, debug_option
from pcapdiag.cli._choosing import clock_of, clock_options
from pcapdiag.cli._hook import hook_of, hook_options
from pcapdiag.cli._log import Log
from pcapdiag.cli._metrics import metrics_of, metrics_options, metrics_port
from pcapdiag.cli._output import colour_option
from pcapdiag.cli._reading import ports_of, vantage_of
from pcapdiag.cli._redaction import pseudonyms_of, redaction_options
from pcapdiag.cli._saving import prepare, recorder_of, saving_options
from pcapdiag.cli._times import seconds
from pcapdiag.cli._view import view_of, view_options, viewed
from pcapdiag.errors import UsageError

if TYPE_CHECKING:
    from types import FrameType

    from pcapdiag.capture.live import Feed
    from pcapdiag.live.events import Ended, Event
    from pcapdiag.live.exposition import Exposition
    from pcapdiag.live.listening import Listener, Tally
    from pcapdiag.live.notify import Notifier
    from pcapdiag.live.recorder import Recorder
    from pcapdiag.live.telling import Teller
    from pcapdiag.live.view.terminal import View
    from pcapdiag.live.watch import Watch
    from pcapdiag.model import CaptureInfo


def _list(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from pcapdiag.capture.interfaces import ANY, interfaces

        rows = [(each.name, each.says) for each in interfaces()]
        rows.append((ANY, "all of them, and those that come later"))
        width = max(len(name) for name, _ in rows)
        for name, says in rows:
            click.echo(f"{name:{width}}  {says}")
        ctx.exit()


@click.command(name="live", short_help="Watch interfaces and say who dropped a session, the moment it dies.")
@click.option(
    "--interface", "-i", "names", multiple=True, required=True, metavar="IFACE", help="Where. Repeatable; any."
)
@click.option(
    "--list-interfaces", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="Say which there are."
)
@click.option(
    "--format",
    "-f",
    "format_name",
    type=click.Choice(["text", "json"]),
    help="One line a session for people, or JSON Lines for programs. By default a terminal has the live view, else json.",
)
@click.option(
    "--output", "-o", metavar="FILE", type=click.Path(dir_okay=False), help="Add it to FILE; SIGHUP opens it again."
)
@click.option("--details", is_flag=True, help="With text: tell each session that needs attention in full.")
@click.option(
    "--port", multiple=True, type=click.IntRange(1, 65535), metavar="N", help="Mail also runs on port N. Repeatable."
)
@click.option("--any-port", is_flag=True, help="Find SMTP on any port by what is said.")
@click.option("--filter", "expression", metavar="EXPR", help="A capture filter of your own in place of ours.")
@click.option("--captured-at", type=click.Choice(["client", "server", "middle"]), help="Where these interfaces are.")
@click.option("--via", type=click.Choice(["dumpcap", "tcpdump"]), help="Let that program capture.")
@click.option("--user", metavar="NAME", help="Whom to become once the sockets are open. By default no longer root.")
@click.option("--duration", callback=seconds, metavar="TIME", help="End after that: 90s, 10m, 2h, 7d.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N sessions.")
@click.option("--until-drop", is_flag=True, help="End at the first dropped session.")
@click.option(
    "--dialogue",
    type=click.Choice(["attention", "all", "none"]),
    default="attention",
    show_default=True,
    help="Whose conversation is told.",
)
@view_options
@saving_options
@hook_options
@metrics_options
@clock_options
@redaction_options
@colour_option
@debug_option
def command(**given: Any) -> None:
    """Watch the mail that passes on IFACE, and say of every session who ended it, at which stage, and why we say so.

    A terminal shows a live view: Enter tells the session under the bar, q leaves. In a file or a pipe each session is a line
    of JSON, within a second of its end ("final": false) and again when nothing more can come that would change
    the verdict ("final": true, the same key). It takes the capability CAP_NET_RAW, as root has it; root is then given up.
    Ctrl-C or SIGTERM ends it, and sessions that are still open are told as such.
    """
    from pcapdiag.capture.interfaces import must_exist

    must_exist(given["names"])  # first: it also says that this is not Linux
    from pcapdiag.capture.live import LiveCapture
    from pcapdiag.live.privileges import give_up, whom
    from pcapdiag.live.watch import Watch

    if given["details"] and given["format_name"] == "json":
        raise UsageError("--details tells sessions in text: a line of JSON holds all of them anyway")
    person = whom(given["user"])
    clock, names = clock_of(given), pseudonyms_of(given, for_others=False)
    with closing(LiveCapture(_feed(given, person), ports_of(given))) as capture:
        _read_everything(given)
        prepare(given, person)
        port, on_screen = metrics_port(given), viewed(given)
        give_up(person)
        watch = Watch(capture, ports_of(given), vantage_of(given))
        with Log(given["output"], colour=given["color"]) as output:
            teller = _teller(given, names, clock, output, capture.info)
            for note in capture.info().notes:
                complain(note.says)
            view = view_of(given, watch, teller) if on_screen else None
            with _listeners(given, teller, output, port, view) as listeners, _signals(watch, output, given["duration"]):
                capture.start()
                complain(_begun(given, person))
                _run(watch, listeners, output)


def _feed(given: dict[str, Any], person: Any) -> Feed:
    """Where the frames come from; everything that takes a privilege."""
    from pcapdiag.capture.kernelfilter import expression, program

    names = tuple(dict.fromkeys(given["names"]))
    text = given["expression"] or expression(ports_of(given))
    compiled = program(text)
    if given["via"]:
        from pcapdiag.capture.program import ProgramFeed

        return ProgramFeed(given["via"], names, text, person)
    from pcapdiag.capture.sockets import SocketFeed

    return SocketFeed(names, compiled)


def _begun(given: dict[str, Any], person: Any) -> str:
    ports = ports_of(given)
    where = "any port" if ports is None else f"ports {', '.join(map(str, sorted(ports)))}"
    what = "your filter" if given["expression"] else where
    return f"watching {', '.join(given['names'])} ({what}){f' as {person.pw_name}' if person else ''}; Ctrl-C ends it"


def _read_everything(given: dict[str, Any]) -> None:
    """Modules that are imported late: who is no longer root may not be able to read them."""
    for name in "hook", "notify", "recorder", "telling":
        importlib.import_module(f"pcapdiag.live.{name}")
    from pcapdiag.diagnosis.rule import all_rules
    from pcapdiag.report import formats

    all_rules()
    formats.for_others("text")


def _teller(given: dict[str, Any], names: Any, clock: Any, output: Log, info: Callable[[], CaptureInfo]) -> Teller:
    from pcapdiag.analysis import KeepDialogue
    from pcapdiag.live.telling import Teller
    from pcapdiag.report.options import Options

    options = Options(
        dialogue=KeepDialogue(given["dialogue"]),
        zone=clock,
        width=output.width,
        colour=output.colour,
        unicode=output.unicode,
    )
    return Teller(names, options, info)


@contextmanager
def _signals(watch: Watch, output: Log, duration: float | None) -> Iterator[None]:
    """SIGINT, SIGTERM and the end of the duration end the capture, and thereby the watch; a second signal ends us at once.
    SIGHUP opens the output file again, and is an end like the others where there is none."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        watch.capture.stop()

    unheard = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if output.path is not None:
        signal.signal(signal.SIGHUP, lambda number, frame: output.ask_to_reopen())
    elif unheard:  # nohup
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    timer = threading.Timer(duration, watch.capture.stop) if duration else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Listeners:
    """Who hears events, in this order."""

    tally: Tally
    notifier: Notifier
    recorder: Recorder | None
    all: list[Listener]


@contextmanager
def _listeners(
    given: dict[str, Any], teller: Teller, output: Log, port: Exposition | None, view: View | None
) -> Iterator[_Listeners]:
    from pcapdiag.live.listening import Grumbler, Tally
    from pcapdiag.live.notify import Notifier

    tally, notifier, recorder = (
        Tally(given["count"], given["until_drop"]),
        Notifier(),
        recorder_of(given, teller, ports_of(given)),
    )
    hook = hook_of(given, teller)
    metrics = metrics_of(given, port, teller)
    printer = None if view is not None and output.path is None else _Printer(teller, output, given)
    hearing = (tally, Grumbler(complain), notifier, recorder, printer, metrics, hook, view)
    try:
        if view is not None:
            view.start()
        yield _Listeners(tally, notifier, recorder, [each for each in hearing if each is not None])
        if view is not None:
            view.close()
        _sum_up(tally, recorder, teller.info(), given)
    finally:
        notifier.stopping()
        for each in (view, hook, port):
            if each is not None:
                each.close()


def _run(watch: Watch, listeners: _Listeners, output: Log) -> None:
    """Until the capture ends, or enough was said, or nobody listens any more."""
    listeners.notifier.ready()
    with closing(watch.events(listeners.recorder.take if listeners.recorder is not None else None)) as events:
        for event in events:
            for listener in listeners.all:
                listener.hear(event)
            if listeners.tally.enough or output.unread:
                break


def _sum_up(tally: Tally, recorder: Recorder | None, info: CaptureInfo, given: dict[str, Any]) -> None:
    from pcapdiag.report.words import count

    lost = "an unknown number" if info.dropped_by_capture is None else info.dropped_by_capture
    complain(
        f"{count(info.packets, 'packet')} captured, {lost} dropped by the kernel; {count(tally.sessions, 'session')} ended, "
        f"{tally.dropped} of them dropped"
        + (f", {recorder.count} saved in {given['directory']}" if recorder is not None else "")
    )


class _Printer:
    """Says it on the output."""

    def __init__(self, teller: Teller, output: Log, given: dict[str, Any]) -> None:
        from pcapdiag.live.sparing import Mutter

        self._teller, self._output, self._details = teller, output, given["details"]
        self._mutter = Mutter(complain)
        usual = "text" if output.terminal or given["details"] else "json"
        self._json = (given["format_name"] or usual) == "json"

    def hear(self, event: Event) -> None:
        from pcapdiag.live.events import Ended

        if not isinstance(event, Ended):
            return
        try:
            self._output.pieces(self._pieces(event))
        except UsageError as error:
            if self._output.path is None:
                raise
            self._mutter(f"{error}; the watch goes on")

    def _pieces(self, ended: Ended) -> Iterable[str]:
        if self._json:
            return [self._teller.json(ended)]
        if self._details and ended.final and ended.judged.verdict.attention:
            return self._teller.report(ended)
        return [self._teller.line(ended)]
