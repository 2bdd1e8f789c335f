"""Makers of the values that every line brings (see `pcapdiag.making`)."""

from __future__ import annotations

from pcapdiag.making import maker
from pcapdiag.model import Moment, Position
from pcapdiag.smtp.dialogue import Body, Command, Dialogue, Exchange, MailTransaction, Recipient, Reply, TlsEntry

make_moment = maker(Moment)
make_position = maker(Position)
make_command = maker(Command)
make_reply = maker(Reply)
make_body = maker(Body)
make_tls_entry = maker(TlsEntry)
make_exchange = maker(Exchange)
make_recipient = maker(Recipient)
make_transaction = maker(MailTransaction)
make_dialogue = maker(Dialogue)
