"""The second reader: Wireshark's dissectors, through pyshark, turn a capture file into `PacketTable` batches.

It knows every file format, link type and encapsulation that tshark knows, at about a thousandth of the speed of our own
reader. pyshark runs tshark and turns its JSON into layers; this module chooses what tshark has to do, sees to it that
it really came to the end, and cleans up: no process, event loop or file is left behind, whatever happens.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pcapdiag.capture.capinfos import FileFacts, file_facts
from pcapdiag.capture.dissected import FIELDS, IncompleteError, Layers, Row, icmp_error, table, tcp_row
from pcapdiag.capture.table import IcmpError, PacketTable
from pcapdiag.errors import CaptureError, TsharkMissing
from pcapdiag.model import CaptureInfo, Note

IDENT = 113
"""RFC 1413: mail servers ask back on this port, and a filter that swallows the question explains a late greeting."""
OLDEST = (3, 0)
"""pyshark takes the JSON of older versions apart in another way, and the TLS dissector had another name."""
BATCH = 2_000
"""Packets of a batch."""
STEP_NS = 1_000_000_000
PIPE = 1 << 16
FILE_DAMAGED = 2
"""tshark's exit status when the file turns out cut short or damaged; capinfos said so before, in a note."""

_PREFERENCES = {
    # Numbers as they stand in the header, each segment by itself.
    "tcp.relative_sequence_numbers": "FALSE",
    "tcp.desegment_tcp_streams": "FALSE",
    "tcp.analyze_sequence_numbers": "FALSE",
    "tcp.calculate_timestamps": "FALSE",
    # The rest are Wireshark's defaults, said again because the user's own preferences are read before these.
    "ip.defragment": "TRUE",
    "ipv6.defragment": "TRUE",
    "ip.tso_support": "TRUE",
    "ip.check_checksum": "FALSE",
    "tcp.check_checksum": "FALSE",
}
_NOT_NEEDED = ("smtp", "imf", "mime_multipart", "tls", "ident")
"""Dissectors above TCP on these ports: their work would be thrown away."""

Taken = Row | IcmpError


class TsharkSource:
    """One capture file read by tshark.

    `ports`: TCP ports wanted (either end), None for all. `max_packets`: read at most so many frames of the file.
    The constructor raises `TsharkMissing` when tshark or pyshark cannot run, `CaptureError` when the file is no capture.
    """

    def __init__(
        self, path: str, *, capture: int, ports: frozenset[int] | None, max_packets: int | None = None
    ) -> None:
        if path == "-":
            raise CaptureError(path, "the tshark engine needs a file: write the trace to one, or use --engine own")
        self._path = path
        self._capture = capture
        self._ports = None if ports is None else ports | {IDENT}
        self._max_packets = max_packets
        self._tshark = find_tshark()
        self._facts: FileFacts = file_facts(_beside(self._tshark, "capinfos"), _openable(path))
        self._last_frame = 0
        self._first_time_ns: int | None = None
        self._last_time_ns: int | None = None
        self._segments = 0
        self._incomplete: list[int] = []
        self._notes: list[Note] = []

    @property
    def packets(self) -> int | None:
        """How many packets the file holds, known before the first batch; None when capinfos cannot tell."""
        return self._facts.packets

    def batches(self) -> Iterator[PacketTable]:
        """Dissect the file. Raises `TsharkMissing` when tshark or pyshark turn out not to run."""
        waiting: list[Taken] = []
        with _packets(self._path, self._tshark, self._filter(), self._max_packets) as run:
            for packet in run:
                taken = self._take(Layers(packet))
                if taken is not None:
                    waiting.append(taken)
                if len(waiting) >= 2 * BATCH:  # the second half stays, for frames that belong before it
                    waiting = in_order(waiting)
                    yield self._batch(waiting[:BATCH])
                    waiting = waiting[BATCH:]
        self._judge_end(run.trouble)
        yield self._batch(in_order(waiting), last=True)

    def info(self) -> CaptureInfo:
        """About the whole file; complete when `batches` came to its end."""
        facts = self._facts
        return CaptureInfo(
            path=self._path,
            format=facts.format,
            link_types=facts.link_types,
            packets=self._last_frame if facts.packets is None else facts.packets,
            smtp_packets=self._segments,
            snaplen=facts.snaplen,
            first_time_ns=self._first_time_ns if facts.first_time_ns is None else facts.first_time_ns,
            last_time_ns=self._last_time_ns if facts.last_time_ns is None else facts.last_time_ns,
            dropped_by_capture=None,
            notes=(*facts.notes, *self._notes),
        )

    def _filter(self) -> str:
        """Wanted TCP, also where ICMP quotes it. pyshark 0.6 dies of a frame without a time."""
        if self._ports is None:
            return "tcp && frame.time_epoch"
        return f"({' || '.join(f'tcp.port == {port}' for port in sorted(self._ports))}) && frame.time_epoch"

    def _take(self, packet: Layers) -> Taken | None:
        self._last_frame = packet.number
        self._first_time_ns = min(packet.time_ns, self._first_time_ns or packet.time_ns)
        self._last_time_ns = max(packet.time_ns, self._last_time_ns or packet.time_ns)
        if "tcp" not in packet.names:
            return None
        try:
            quotes = "icmp" in packet.names or "icmpv6" in packet.names
            taken = icmp_error(packet, self._capture) if quotes else tcp_row(packet)
        except IncompleteError:
            self._incomplete.append(packet.number)
            return None
        if taken is None or not (self._ports is None or self._ports & {taken.srcport, taken.dstport}):
            return None
        self._segments += isinstance(taken, Row) and IDENT not in (taken.srcport, taken.dstport)
        return taken

    def _batch(self, taken: list[Taken], last: bool = False) -> PacketTable:
        rows: list[Row] = []
        errors: list[IcmpError] = []
        for one in taken:
            if isinstance(one, Row):
                rows.append(one)
            else:
                errors.append(one._replace(row=len(rows)))
        until = max((one.time_ns for one in taken), default=0)
        if last:
            until = max(until, self._facts.last_time_ns or 0, self._last_time_ns or 0)
        return table(rows, errors, self._capture, until)

    def _judge_end(self, trouble: str | None) -> None:
        """What the reader of a verdict must know about this run of tshark, as notes."""
        packets, most = self._facts.packets, self._max_packets
        if trouble is not None and self._last_frame == 0:
            raise TsharkMissing(f"tshark read nothing of {self._path}: {trouble}")
        if trouble is not None:
            says = f"tshark stopped after frame {self._last_frame} of {packets or 'an unknown number'}: {trouble}"
            self._notes.append(Note("tshark-stopped", says, self._last_frame))
        elif most is not None and (packets is None or packets > most):
            says = f"only the first {most} of {packets or 'all'} packets were read; --engine tshark reads them all"
            self._notes.append(Note("limited", says, most))
        if packets and self._facts.first_time_ns is None and self._last_frame == 0 and not self._facts.notes:
            says = "frames without a time (pcapng simple packet blocks) were left out by the tshark engine"
            self._notes.append(Note("no-time", says))
        if self._incomplete:
            says = f"{len(self._incomplete)} TCP segments without a complete header were left out"
            self._notes.append(Note("incomplete", says, self._incomplete[0]))


def in_order(taken: list[Taken]) -> list[Taken]:
    """Frames that stand out of time order put in time order; a step back of more than a second is a set clock and stays."""
    run = last = 0
    keys: list[tuple[int, int]] = []
    for one in taken:
        run += one.time_ns < last - STEP_NS
        last = one.time_ns
        keys.append((run, last))
    return [taken[i] for i in sorted(range(len(taken)), key=keys.__getitem__)]


def find_tshark() -> str:
    """Where tshark is. Raises `TsharkMissing` when it, or pyshark, cannot be used."""
    module = _pyshark()
    from pyshark.tshark import tshark as programs  # noqa: PLC0415

    # pyshark reads config.ini of the current directory: a file that came with the captures could name the program to run.
    module.config.fp_config_path = module.config.pyshark_config_path
    try:
        path = str(programs.get_process_path())
    except programs.TSharkNotFoundException:
        raise TsharkMissing(
            "tshark is not installed (searched PATH and Wireshark's usual places): install Wireshark's tshark, "
            "or leave out --engine tshark"
        ) from None
    try:
        version = programs.get_tshark_version()
    except (programs.TSharkVersionException, subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
        raise TsharkMissing(f"{path} does not run: {error}; try it with: {path} --version") from error
    if version.release[:2] < OLDEST:
        raise TsharkMissing(f"{path} is version {version}: the tshark engine needs {OLDEST[0]}.{OLDEST[1]} or newer")
    return path


def _pyshark() -> Any:
    """pyshark takes a third of a second to import and is not needed for most analyses."""
    try:
        import pyshark  # noqa: PLC0415
        import pyshark.config  # noqa: PLC0415
    except (
        Exception
    ) as error:  # pyshark 0.6 is of 2023: what it does at import on a later Python is not ours to foresee
        raise TsharkMissing(_unfit(error)) from error
    return pyshark


def _unfit(error: BaseException) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return f"pyshark does not run on this Python {version} ({type(error).__name__}: {error}); use --engine own"


def _beside(tshark: str, program: str) -> str | None:
    """A program of the same Wireshark: in tshark's directory, else wherever PATH finds it."""
    return shutil.which(program, path=str(Path(tshark).parent)) or shutil.which(program)


def _openable(path: str) -> str:
    """The path, absolute because one that begins with a dash would be an option."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise CaptureError(path, f"cannot be opened: {error.strerror or error}") from error
    if not Path(path).is_file():
        raise CaptureError(path, "the tshark engine needs a regular file")
    return os.path.abspath(path)


class _Run:
    """The packets of one run of tshark, and what went wrong with it."""

    def __init__(self, capture: Any) -> None:
        self._capture = capture
        self._packets: Iterator[Any] = iter(capture)
        self._broken: str | None = None

    def __iter__(self) -> Iterator[Any]:
        begun = False
        try:
            for packet in self._packets:
                begun = True
                yield packet
        except (ValueError, KeyError) as error:
            self._broken = f"its output cannot be read ({type(error).__name__}: {error})"
        except (AttributeError, NotImplementedError, RuntimeError, TypeError) as error:
            if begun:
                raise
            raise TsharkMissing(_unfit(error)) from error

    @property
    def trouble(self) -> str | None:
        """Why tshark ended before the end of the file; None when it did not. Known once it has ended."""
        status = getattr(self._capture, "status", None)
        if self._broken or status in (None, 0, FILE_DAMAGED):
            return self._broken
        said = str(getattr(self._capture, "_last_error_line", None) or "it said nothing")
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}, {said}"

    def close(self) -> None:
        close = getattr(self._packets, "close", None)
        if close is not None:
            close()
        self._capture.close()


def _file_capture(**options: Any) -> Any:
    """pyshark's reader with another way to see a tshark off.

    pyshark 0.6 kills it at the end of its output, when it is about to exit by itself: then asyncio complains about an
    unknown child, and the exit status is gone. This one takes what is still in the pipe and waits.
    """

    class FileCapture(_pyshark().FileCapture):  # type: ignore[misc]  # pyshark is not typed
        status: int | None = None
        """Exit status of tshark; negative: the signal that killed it."""

        async def _cleanup_subprocess(self, process: asyncio.subprocess.Process) -> None:
            if not self._eof_reached and process.returncode is None:
                for task in asyncio.all_tasks() - {asyncio.current_task(), *self._stderr_handling_tasks}:
                    task.cancel()  # a read that Ctrl-C interrupted still waits; nobody else may read as long as it does
                with suppress(ProcessLookupError):
                    process.kill()
                await asyncio.sleep(0)
            while process.stdout is not None and await process.stdout.read(PIPE):
                pass
            self.status = await process.wait()

        def __del__(self) -> None:
            """`close` was called; pyshark would try again after the event loop is gone."""

    return FileCapture(**options)


@contextmanager
def _packets(path: str, tshark: str, display_filter: str, limit: int | None) -> Iterator[_Run]:
    """Run tshark over a file; whatever happens, it and the event loop are gone afterwards."""
    options = ["-j", " ".join(FIELDS)]
    for protocol in _NOT_NEEDED:
        options += ["--disable-protocol", protocol]
    if limit is not None:
        options += ["-c", str(limit)]
    _refuse_running_loop()
    # An event loop of our own: pyshark's way to one was removed from Python 3.14 (asyncio.set_child_watcher).
    loop = asyncio.new_event_loop()
    try:
        capture = _file_capture(
            input_file=_openable(path),
            keep_packets=False,
            use_json=True,
            include_raw=True,
            display_filter=display_filter,
            override_prefs=_PREFERENCES,
            custom_parameters=options,
            tshark_path=tshark,
            eventloop=loop,
        )
        run = _Run(capture)
        try:
            yield run
        finally:
            with suppress(Exception):  # a crash was told by `trouble`; here only the cleaning up counts
                run.close()
    finally:
        _end(loop)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    for task in (tasks := asyncio.all_tasks(loop)):
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise TsharkMissing(
        "pyshark does not run inside a program that runs an asyncio loop itself (a notebook): use --engine own"
    )
