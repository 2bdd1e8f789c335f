"""Queue ids: by what name the server's log knows a message that it accepted.

Reads the text of a 2xx reply to the end of data. Only forms that are known are believed; everything else is None.
"""

from __future__ import annotations

import re

# Words that the form holds, lower case: a search for them costs a tenth of a search for the form.
_FORMS = (
    # Postfix "2.0.0 Ok: queued as 4Rz1Kx2Jz3z9y"; Haraka "Message Queued (UUID)"; amavis quotes Postfix's.
    (b"queued as ", re.compile(rb"queued as ([0-9A-Za-z][0-9A-Za-z._-]{3,63})", re.I)),
    # Exim "OK id=1xVW7m-0001KD-0L".
    (b"id=", re.compile(rb"\bid=([0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4})")),
    # sendmail "3AN... Message accepted for delivery", OpenSMTPD "5a0d7c2b Message accepted for delivery".
    (b" message accepted", re.compile(rb"([0-9A-Za-z]{6,32}):? Message accepted")),
    # Exchange "2.6.0 <id@host> [InternalId=...] Queued mail for delivery", and its older form with the id behind.
    (b"queued mail ", re.compile(rb"(<[^<>\s]{1,250}>)[^<]{0,300}Queued mail for delivery", re.I)),
    (b"queued mail ", re.compile(rb"Queued mail for delivery[^<]{0,20}(<[^<>\s]{1,250}>)", re.I)),
    # qmail "ok 1700000000 qp 4711".
    (b" qp ", re.compile(rb"\bok \d{6,12} qp (\d{1,10})", re.I)),
    # Google "OK  1700000000 a1b2c3-d4 - gsmtp".
    (b" gsmtp", re.compile(rb"\bOK +\d{9,11} +([0-9A-Za-z._-]{6,80}) - gsmtp")),
    # Haraka "Message Queued (1B2C...-1)".
    (b"message queued ", re.compile(rb"Message Queued \(([0-9A-F.-]{8,50})\)", re.I)),
)


def queue_id(text: bytes) -> bytes | None:
    """The queue id in the text of a reply, or None where its form is not known."""
    lower = text.lower()
    for words, form in _FORMS:
        if lower.find(words) >= 0 and (found := form.search(text)):
            return found[1]
    return None
