"""``pcapdiag live``: interfaces in, verdicts out, as sessions end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from pcapdiag.cli import complain, debug_option
from pcapdiag.cli._beside import Beside, beside_options
from pcapdiag.cli._choosing import clock_of, clock_options
from pcapdiag.cli._output import Output, colour_option
from pcapdiag.cli._reading import ports_of
from pcapdiag.cli._redaction import pseudonyms_of, redaction_options
from pcapdiag.cli._saving import prepare, recorder_of, saving_options
from pcapdiag.cli._times import seconds
from pcapdiag.garbage import collected_rarely

if TYPE_CHECKING:
    from types import FrameType

    from pcapdiag.capture.live import Feed
    from pcapdiag.live.ears import Ear
    from pcapdiag.live.events import Ended, Event
    from pcapdiag.live.recorder import Recorder
    from pcapdiag.live.telling import Teller
    from pcapdiag.live.watch import Watch


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
    help="One line a session for people, or JSON Lines for programs. By default text on a terminal, else json.",
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
@saving_options
@beside_options
@clock_options
@redaction_options
@colour_option
@debug_option
@collected_rarely()
def command(**given: Any) -> None:
    """Watch the mail that passes on IFACE, and say of every session who ended it, at which stage, and why we say so.

    A session is told within a second of its end ("final": false) and again when nothing more can come that would change
    the verdict ("final": true, the same key). It takes the capability CAP_NET_RAW, as root has it; root is then given up.
    Ctrl-C or SIGTERM ends it, and sessions that are still open are told as such.
    """
    from pcapdiag.capture.live import LiveCapture
    from pcapdiag.live.privileges import give_up, whom
    from pcapdiag.live.watch import Watch
    from pcapdiag.model import Vantage

    person = whom(given["user"])
    clock, names = clock_of(given), pseudonyms_of(given, for_others=False)
    with Output(None, colour=given["color"]) as output:
        teller = _teller(given, names, clock, output)
        capture = LiveCapture(_feed(given, person), ports_of(given))
        prepare(given, person)
        beside = Beside(given)
        give_up(person)
        recorder = recorder_of(given, teller, ports_of(given))
        watch = Watch(capture, ports_of(given), Vantage(given["captured_at"]) if given["captured_at"] else None)
        for note in capture.info().notes:
            complain(note.says)
        with _until_told(watch, given["duration"]), beside.ears(teller) as ears:
            capture.start()
            complain(_begun(given, person))
            _show(watch, teller, recorder, ears, given, output)


def _feed(given: dict[str, Any], person: Any) -> Feed:
    """Where the frames come from; everything that takes a privilege."""
    from pcapdiag.capture.interfaces import must_exist
    from pcapdiag.capture.kernelfilter import expression, program

    names = tuple(dict.fromkeys(given["names"]))
    text = given["expression"] or expression(ports_of(given))
    must_exist(names)
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


def _teller(given: dict[str, Any], names: Any, clock: Any, output: Output) -> Teller:
    """Also imports what judges and tells: who is no longer root may not be able to read it."""
    from pcapdiag.analysis import KeepDialogue
    from pcapdiag.diagnosis.rule import all_rules
    from pcapdiag.live.telling import Teller
    from pcapdiag.report import formats
    from pcapdiag.report.options import Options

    all_rules()
    formats.for_others("text")
    options = Options(
        dialogue=KeepDialogue(given["dialogue"]),
        zone=clock,
        width=output.width,
        colour=output.colour,
        unicode=output.unicode,
    )
    return Teller(names, options)


@contextmanager
def _until_told(watch: Watch, duration: float | None) -> Iterator[None]:
    """SIGINT, SIGTERM and the end of the duration end the capture, and thereby the watch. A second signal ends us at once."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        watch.capture.stop()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
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


def _show(
    watch: Watch,
    teller: Teller,
    recorder: Recorder | None,
    ears: Sequence[Ear],
    given: dict[str, Any],
    output: Output,
) -> None:
    """Tell what is said until the capture ends, or enough was said."""
    from pcapdiag.live.events import Ended, Pulse
    from pcapdiag.live.watch import is_drop

    as_json = (given["format_name"] or ("text" if output.terminal else "json")) == "json"
    events: Iterator[Event] = watch.events(recorder.take if recorder is not None else None)
    told = dropped = 0
    grumbler = _Grumbler()
    for event in events:
        for ear in ears:
            ear.hear(event, watch.capture.info)
        if isinstance(event, Pulse):
            grumbler.hear(event.down, event.dropped or 0)
        if not isinstance(event, Ended):
            continue
        info = watch.capture.info()
        if recorder is not None:
            recorder.hear(event, info)
        output.pieces(teller.json(event, info) if as_json else _text(event, teller, info, given["details"]))
        if event.final and not event.again:
            told += 1
            dropped += is_drop(event.judged)
            if (given["until_drop"] and dropped) or told == given["count"]:
                break
        if output.unread:
            break
    events.close()  # type: ignore[attr-defined]
    info = watch.capture.info()
    lost = "an unknown number" if info.dropped_by_capture is None else info.dropped_by_capture
    complain(
        f"{info.packets} packets captured, {lost} dropped by the kernel; {told} sessions ended, {dropped} of them dropped"
        + (f", {recorder.count} saved in {given['directory']}" if recorder is not None else "")
    )


def _text(event: Ended, teller: Teller, info: Any, details: bool) -> Iterator[str]:
    if details and event.final and event.judged.verdict.attention:
        return teller.report(event, info)
    return teller.line(event, info)


class _Grumbler:
    """Says on standard error what hurts the capture, once each time it changes."""

    def __init__(self) -> None:
        self._down: tuple[str, ...] = ()
        self._dropped = 0

    def hear(self, down: tuple[str, ...], dropped: int) -> None:
        for name in down:
            if name not in self._down:
                complain(f"the interface {name} is down: waiting for it to come back")
        for name in self._down:
            if name not in down:
                complain(f"the interface {name} is back")
        if dropped > self._dropped:
            complain(
                f"the kernel dropped {dropped - self._dropped} packets ({dropped} in all), because we were too slow: verdicts "
                "about sessions of this time are weaker"
            )
        self._down, self._dropped = down, dropped
