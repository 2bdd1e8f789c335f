"""`Analysis` as one JSON object, exactly as docs/reference/verdict.md section 3 has it; `schema/` checks it.

Written session by session, one a line, so that memory stays flat. Fields may be added, never renamed. Wherever a frame
stands, the index of its capture stands beside it; text from the wire has been through `pcapdiag.report.clean`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache, partial
from typing import Any

import orjson

from pcapdiag.analysis import Analysis, Group, Judged, last_command, last_reply
from pcapdiag.diagnosis.verdict import Evidence, Finding, Verdict
from pcapdiag.model import CaptureInfo, How, Side
from pcapdiag.report.clean import plain, safe_text, wire_line, wire_text
from pcapdiag.report.facts import accepted, community_id, effect_of, flag_letters, session_key, wireshark_filters
from pcapdiag.report.ladder import Row, RowKind, ladder
from pcapdiag.smtp.dialogue import MailTransaction, Reply
from pcapdiag.tcp.connection import Connection
from pcapdiag.version import __version__

Object = dict[str, Any]
Paths = Sequence[str]

MOST_FRAMES = 50


def render(analysis: Analysis, *, dialogue: bool = True) -> Iterator[str]:
    """Pieces of the JSON text; together they are one object and a line end."""
    head = {
        "schema": "pcapdiag.analysis/1",
        "pcapdiag": __version__,
        "redaction": analysis.redaction,
        "captures": [_capture(info) for info in analysis.captures],
        "errors": [{"path": safe_text(error.path), "says": safe_text(error.says)} for error in analysis.errors],
    }
    yield dumps(head)[:-1] + ',"sessions":['
    paths = [info.path for info in analysis.captures]
    separator = "\n"
    for text in analysis.sessions.each(partial(_session_text, paths=paths, dialogue=dialogue)):
        yield separator + text
        separator = ",\n"
    yield '],\n"groups":' + _lines([_group(group) for group in analysis.groups])
    yield ',\n"patterns":' + _lines(
        [
            {
                "kind": pattern.kind,
                "summary": plain(pattern.summary, paths),
                "sessions": list(pattern.sessions),
                "sessions_total": pattern.sessions_total,
            }
            for pattern in analysis.patterns
        ]
    )
    summary = {
        "sessions": analysis.total,
        "selected": len(analysis.sessions),
        "attention": analysis.attention,
        "dropped": analysis.dropped,
        "dropped_by": {_word(party): count for party, count in analysis.dropped_by.items()},
    }
    yield f',\n"summary":{dumps(summary)}}}\n'


def _session_text(judged: Judged, paths: Paths, dialogue: bool) -> str:
    return dumps(session_object(judged, paths, dialogue=dialogue))


def dumps(thing: object) -> str:
    """JSON in ASCII: what reads it need not agree with us about character sets.

    orjson, which writes UTF-8 only, takes a tenth of the time; hardly a session has text that makes a difference.
    """
    octets = orjson.dumps(thing)
    return octets.decode("ascii") if octets.isascii() else _encode(thing)


_encode = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":")).encode


def _lines(objects: list[Object]) -> str:
    return "[" + ",".join(["\n" + dumps(one) for one in objects]) + "]"


def session_object(judged: Judged, paths: Paths = (), *, dialogue: bool = True) -> Object:
    """One session. `paths` are those of the captures: sentences name a frame's file where there are several."""
    connection, talk, verdict = judged.session.connection, judged.session.dialogue, judged.verdict
    command = last_command(talk)
    rows = [_row(row, after_ns) for row, after_ns in ladder(judged)] if dialogue and judged.with_dialogue else []
    return {
        "id": judged.id,
        **_who_and_when(connection),
        "vantage": _word(verdict.vantage),
        "vantage_evidence": _evidence(verdict.vantage_evidence, paths),
        "helo": None if talk.helo is None else wire_line(talk.helo),
        "verdict": _verdict(verdict, paths),
        "why": plain(verdict.why, paths),
        "next_steps": [plain(step, paths) for step in verdict.next_steps],
        "next_capture": verdict.next_capture,
        "evidence": _evidence(verdict.evidence, paths),
        "against": _evidence(verdict.against, paths),
        "findings": [_finding(finding, paths) for finding in verdict.findings],
        "others": [_other(finding, paths) for finding in verdict.others],
        "messages": [_message(message, judged) for message in talk.transactions],
        "messages_total": talk.transactions_total,
        "greeting": _reply(talk.greeting),
        "last_command": None
        if command is None
        else {"verb": wire_line(command.verb), "capture": command.at.capture, "frame": command.at.frame},
        "last_reply": _reply(last_reply(talk)),
        "closing": _closing(connection, verdict),
        "tcp": _tcp(connection),
        "dialogue": rows,
        "dialogue_kept": judged.with_dialogue,
    }


def _who_and_when(connection: Connection) -> Object:
    client, server, first, last = connection.client, connection.server, connection.first, connection.last
    return {
        "key": session_key(connection),
        "community_id": community_id(client, server),
        "client": {"address": client.address, "port": client.port},
        "server": {"address": server.address, "port": server.port},
        "sides": "seen" if connection.sides_seen else "assumed",
        "started": time_text(first.time_ns),
        "ended": time_text(last.time_ns),
        "duration_s": (last.time_ns - first.time_ns) / 1e9,
        "capture": first.capture,
        "first_frame": first.frame,
        "last_capture": last.capture,
        "last_frame": last.frame,
        "wireshark_filters": [{"capture": i, "filter": text} for i, text in wireshark_filters(connection)],
    }


def _verdict(verdict: Verdict, paths: Paths) -> Object:
    end = verdict.end
    return {
        "dropped_by": _word(verdict.dropped_by),
        "could_also_be": [_word(party) for party in verdict.could_also_be],
        "how": _word(verdict.how),
        "stage": _word(verdict.stage),
        "owing": _word(verdict.owing),
        "waited_s": seconds(verdict.waited_ns),
        "stalled_by": _word(verdict.stalled_by),
        "strength": _word(verdict.strength),
        "impact": _word(verdict.impact),
        "attention": verdict.attention,
        "end": {"capture": end.capture, "frame": end.frame, "time": time_text(end.time_ns)},
        "rule": verdict.rule,
        "summary": plain(verdict.summary, paths),
    }


def _evidence(evidence: Sequence[Evidence], paths: Paths) -> list[Object]:
    """An object a sentence, and where its frames lie in several captures an object for each of these."""
    told = []
    for says, moments, total in evidence:
        text = plain(says, paths)
        frames: dict[int | None, list[int]] = {} if moments else {None: []}
        for _, capture, frame in moments:
            frames.setdefault(capture, []).append(frame)
        # Which capture those beyond the list lie in is not known: the first one counts them.
        unlisted = 0 if total is None else total - len(moments)
        for where, numbers in frames.items():
            listed = numbers[:MOST_FRAMES]
            told.append({"says": text, "capture": where, "frames": listed, "frames_total": len(numbers) + unlisted})
            unlisted = 0
    return told


def _finding(finding: Finding, paths: Paths) -> Object:
    """A finding that accompanies the verdict."""
    return {
        "rule": finding.rule,
        "title": finding.title,
        "summary": plain(finding.summary, paths),
        "evidence": _evidence(finding.evidence, paths),
        "against": _evidence(finding.against, paths),
        "next_steps": [plain(step, paths) for step in finding.next_steps],
    }


def _other(finding: Finding, paths: Paths) -> Object:
    """A finding that would have been another verdict: what it says, and how sure it was."""
    return {
        "rule": finding.rule,
        "title": finding.title,
        "summary": plain(finding.summary, paths),
        "party": _word(finding.party),
        "how": _word(finding.how),
        "strength": _word(finding.strength),
    }


def _message(message: MailTransaction, judged: Judged) -> Object:
    connection = judged.session.connection
    reply = message.reply
    unseen = judged.verdict.how is How.OPEN or connection.half(Side.CLIENT).missing > 0
    return {
        "mail_from": wire_line(message.mail_from),
        "recipients": [
            {
                "address": wire_line(one.address),
                "accepted": one.accepted,
                "reply": _reply(one.reply),
                "final": _reply(one.final),
            }
            for one in message.recipients
        ],
        "recipients_total": message.recipients_total,
        "declared_size": message.declared_size,
        "octets": message.octets,
        "complete": message.complete,
        "reply": _reply(reply),
        "reply_arrived": None if reply is None else connection.half(Side.SERVER).acked >= reply.end,
        "queue_id": None if message.queue_id is None else wire_line(message.queue_id),
        "accepted": accepted(message, None if unseen else False),
    }


def _reply(reply: Reply | None) -> Object | None:
    if reply is None:
        return None
    return {
        "code": reply.code,
        "enhanced": None if reply.enhanced is None else wire_line(reply.enhanced),
        "text": reply_text(reply),
        "capture": reply.at.capture,
        "frame": reply.at.frame,
    }


def reply_text(reply: Reply) -> str:
    """The lines of a reply, joined by LF."""
    lines = reply.lines
    return wire_line(lines[0]) if len(lines) == 1 else "\n".join(map(wire_line, lines))


def _closing(connection: Connection, verdict: Verdict) -> Object:
    closing = connection.closing
    return {
        "fins": [
            {"capture": fin.at.capture, "frame": fin.at.frame, "from": _word(fin.side), "seq": fin.seq}
            for fin in closing.fins
        ],
        "resets": [
            {
                "capture": reset.at.capture,
                "frame": reset.at.frame,
                "from": _word(reset.claimed),
                "flags": flag_letters(reset.flags),
                "seq": reset.seq,
                "window": reset.window,
                "ttl": reset.ttl,
                "ip_id": reset.ip_id,
                "effect": effect_of(reset, verdict),
            }
            for reset in closing.resets
        ],
        "resets_total": closing.resets_total,
    }


def _tcp(connection: Connection) -> Object:
    client, server = connection.halves
    return {
        "octets": {"client": client.octets, "server": server.octets},
        "missing": {"client": client.missing, "server": server.missing},
        "packets": {"client": client.packets, "server": server.packets},
        "retransmissions": {"client": client.retransmissions, "server": server.retransmissions},
        "rtt_s": seconds(connection.handshake.rtt_ns),
        "history": connection.closing.history,
    }


def _word(member: Enum | None) -> str | None:
    """The word of the contract for it. (`Enum.value` is a function of Python's, and a session asks ten times.)"""
    return None if member is None else member._value_


_SENTENCE_OF_WIRE = frozenset({RowKind.COMMAND, RowKind.REPLY, RowKind.GREETING})


def _row(row: Row, after_ns: int) -> Object:
    spoken = row.kind in _SENTENCE_OF_WIRE
    told: Object = {
        "capture": row.at.capture,
        "frame": row.at.frame,
        "time": time_text(row.at.time_ns),
        "after_s": after_ns / 1e9,
        "from": _word(row.side),
        "kind": _word(row.kind),
        "text": wire_text(row.wire) if spoken else safe_text(row.says),
    }
    if spoken and row.says:
        told["note"] = row.says
    if row.code is not None:
        told["code"] = row.code
        told["enhanced"] = None if row.enhanced is None else wire_line(row.enhanced)
    if row.verb is not None:
        told["verb"] = wire_line(row.verb)
    if row.octets is not None:
        told["octets"] = row.octets
    if row.kind is RowKind.RETRANSMISSION:
        told["segments"] = row.segments
    if row.duration_ns is not None:
        told["duration_s"] = row.duration_ns / 1e9
    if row.sender is not None:
        told["sender"] = safe_text(row.sender)
    return told


def _capture(info: CaptureInfo) -> Object:
    return {
        "path": safe_text(info.path),
        "format": info.format,
        "link_types": list(info.link_types),
        "packets": info.packets,
        "smtp_packets": info.smtp_packets,
        "snaplen": info.snaplen,
        "first_time": None if info.first_time_ns is None else time_text(info.first_time_ns),
        "last_time": None if info.last_time_ns is None else time_text(info.last_time_ns),
        "dropped_by_capture": info.dropped_by_capture,
        "notes": [{"code": note.code, "frame": note.frame, "says": safe_text(note.says)} for note in info.notes],
        "trace": info.trace,
        "sha256": info.sha256,
    }


def _group(group: Group) -> Object:
    return {
        "server": group.server,
        "dropped_by": _word(group.dropped_by),
        "how": _word(group.how),
        "stage": _word(group.stage),
        "rule": group.rule,
        "sessions": group.sessions,
        "first": time_text(group.first_ns),
        "last": time_text(group.last_ns),
        "example": group.example,
    }


def seconds(ns: int | None) -> float | None:
    """Nanoseconds as seconds."""
    return None if ns is None else ns / 1e9


def time_text(ns: int) -> str:
    """RFC 3339 in UTC with nine decimals."""
    whole, rest = divmod(ns, 1_000_000_000)
    return f"{_second_text(whole)}.{rest:09d}Z"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


__all__ = ["dumps", "render", "reply_text", "seconds", "session_object", "time_text"]
