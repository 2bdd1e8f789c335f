"""An `Analysis` as CSV: a row a session, for spreadsheets and for scripts that want no JSON.

RFC 4180: comma, CRLF, quotes where they are needed; the first row names the columns as the JSON of
`pcapdiag.report.json` has them, nested fields joined by a dot (``verdict.dropped_by``), as pandas' `json_normalize` does. UTF-8 without a byte order
mark: RFC 4180's readers would find it in the first column's name, and what is beyond ASCII is only what a mail server said
in UTF-8. Times are RFC 3339, nothing is empty, truth is ``true`` and ``false``, lists are joined by a space. A line feed
within a text is written ``\\n``, so that a session is one line of the file; a backslash of the wire is doubled already.

A spreadsheet takes a cell for a formula that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return (OWASP, "CSV
Injection"), some after blanks and quotation marks, some in full width, and one that was told another separator finds
cells inside of ours. So an apostrophe goes in front, at the beginning of a text and behind each semicolon in it, and also
where an apostrophe stands there already: take away one apostrophe at the beginning and one behind each semicolon, and
the text is what it was. Numbers are numbers and get none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from functools import partial

from pcapdiag.analysis import Analysis, Judged
from pcapdiag.model import CaptureInfo
from pcapdiag.report.clean import short_name
from pcapdiag.report.document import capped
from pcapdiag.report.json import session_object

LONGEST = 4_000
"""Characters of a cell; a spreadsheet takes 32,767 and shows none of them beyond some hundred."""

_FORMULA = re.compile(r"(^|;)(?=[\s'\"]*[=+\-@\t\r＝＋－＠]|')")

_VERDICT = ("dropped_by", "could_also_be", "how", "stage", "owing", "waited_s", "stalled_by", "strength", "impact")

COLUMNS = (
    *("redaction", "id", "key", "community_id"),
    *("client.address", "client.port", "server.address", "server.port", "sides", "vantage", "helo"),
    *("started", "ended", "duration_s"),
    *("capture", "captures.path", "captures.sha256", "first_frame", "last_capture", "last_frame"),
    *(f"verdict.{name}" for name in _VERDICT),
    *("verdict.attention", "verdict.end.capture", "verdict.end.frame", "verdict.end.time", "verdict.rule"),
    *("verdict.summary", "why", "next_steps", "next_capture"),
    *("messages_total", "messages.mail_from", "messages.recipients.address", "messages.queue_id", "messages.octets"),
    *("greeting.code", "greeting.text", "last_command.verb", "last_command.frame"),
    *("last_reply.code", "last_reply.enhanced", "last_reply.text", "last_reply.frame"),
    *("tcp.octets.client", "tcp.octets.server", "tcp.retransmissions.client", "tcp.retransmissions.server"),
    *("tcp.missing.client", "tcp.missing.server", "tcp.rtt_s", "tcp.history", "wireshark_filters.filter"),
)
"""The columns; more may come behind them."""


def render(analysis: Analysis) -> Iterator[str]:
    """The heading, and a line a session."""
    yield _line(COLUMNS)
    yield from analysis.sessions.each(partial(_session, captures=analysis.captures, redaction=analysis.redaction))


def _session(judged: Judged, captures: Sequence[CaptureInfo], redaction: str) -> str:
    told = session_object(judged, [info.path for info in captures], dialogue=False)
    told["redaction"] = redaction
    if judged.session.connection.first.capture < len(captures):
        info = captures[judged.session.connection.first.capture]
        told["captures"] = {"path": short_name(info.path), "sha256": info.sha256}
    return _line([_cell(_found(told, name.split("."))) for name in COLUMNS])


def _found(thing: object, names: Sequence[str]) -> object:
    """What stands under these names; of a list what stands there in each, of nothing nothing."""
    if isinstance(thing, list):
        return [_found(each, names) for each in thing]
    if not names or not isinstance(thing, dict):
        return thing
    return _found(thing.get(names[0]), names[1:])


def _cell(thing: object) -> str | int | float:
    match thing:
        case bool():
            return "true" if thing else "false"
        case int() | float():
            return thing
        case _:
            return _text(_plain(thing))


def _plain(thing: object) -> str:
    """As text; the items of a list, also of one of lists, side by side."""
    if isinstance(thing, list):
        return " ".join(_plain(each) for each in thing)
    return "" if thing is None else str(thing)


def _text(text: str) -> str:
    return _FORMULA.sub(r"\1'", capped(text.replace("\n", "\\n"), LONGEST))


def _line(cells: Sequence[str | int | float]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue()
