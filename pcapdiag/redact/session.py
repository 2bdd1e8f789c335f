"""A judged session -> the same in pseudonyms."""

from __future__ import annotations

from dataclasses import replace

from pcapdiag.analysis import Judged
from pcapdiag.model import Endpoint
from pcapdiag.pseudonym import Level, Pseudonyms
from pcapdiag.redact.said import Said, masker_for
from pcapdiag.redact.sentences import Sentences
from pcapdiag.session import Session
from pcapdiag.tcp.connection import Connection


def redacted(judged: Judged, names: Pseudonyms) -> Judged:
    """Everything in it that a report can show. Its id, frames, times and the verdict itself stay."""
    session = judged.session
    masker = masker_for(session.dialogue, names)
    return Judged(
        judged.id,
        Session(_connection(session.connection, names), Said(session.dialogue, masker).dialogue()),
        Sentences(masker).verdict(judged.verdict, session.server.address),
        judged.with_dialogue,
    )


def _connection(connection: Connection, names: Pseudonyms) -> Connection:
    if names.level is not Level.ALL:
        return connection
    errors = [
        (
            at,
            error._replace(
                sender=names.address(error.sender), src=names.address(error.src), dst=names.address(error.dst)
            ),
        )
        for at, error in connection.icmp
    ]
    client, server = _endpoint(connection.client, names), _endpoint(connection.server, names)
    return replace(connection, client=client, server=server, icmp=tuple(errors))


def _endpoint(endpoint: Endpoint, names: Pseudonyms) -> Endpoint:
    return endpoint._replace(address=names.address(endpoint.address))
