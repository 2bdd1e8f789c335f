"""Credentials: what of AUTH, and of the replies to it, may be shown.

A mechanism's name is shown when it is a name that mechanisms have; everything behind it is not (`pcapdiag.smtp.secrets`
takes it out of the replies that quote it).
"""

from __future__ import annotations

import re

MECHANISMS = frozenset(
    b"PLAIN LOGIN CRAM-MD5 DIGEST-MD5 NTLM GSSAPI GSS-SPNEGO SPNEGO EXTERNAL ANONYMOUS OAUTHBEARER XOAUTH2 XOAUTH "
    b"SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-512 KERBEROS_V4 OTP SECURID SKEY "
    b"XYMCOOKIE XYMCOOKIEB64 MSN X-TOKEN EXCHANGEAUTH".split()
)

_PROMPTS = frozenset(
    # "Username:", "User Name", "Password:" and their spellings, base64 as AUTH LOGIN sends them.
    b"VXNlcm5hbWU6 VXNlcm5hbWU= VXNlciBOYW1lAA== VXNlcm5hbWUA dXNlcm5hbWU6 "
    b"UGFzc3dvcmQ6 UGFzc3dvcmQ= UGFzc3dvcmQA cGFzc3dvcmQ6".split()
)

WITHHELD = b"***"
QUOTED = re.compile(
    rb"[A-Za-z0-9+/]{16,}={0,2}|\"[^\"]*\"?|(?<=recognized: ).+|(?<=recognised: ).+|(?<=unknown: ).+|(?<=command: ).+",
    re.I | re.S,
)
"""What a refusal may quote of a line: a long word, which may be a credential; what stands in quotes, or behind the words
that servers put before it (``500 5.5.1 Command unrecognized: "..."``)."""
REFUSALS = frozenset((500, 501, 502, 503, 504, 535))
"""Codes of replies that may quote the line they refuse."""


def mechanism(argument: bytes) -> bytes:
    """The mechanism's name from the argument of AUTH, upper case; empty when it is none that is known.

    An unknown first word is withheld: clients that forget the mechanism send the secret in its place.
    """
    words = argument.split(None, 1)
    name = words[0].upper() if words else b""
    return name if name in MECHANISMS else b""


def challenge(text: bytes) -> bytes:
    """What of a 334 reply's text may be shown: the prompts of AUTH LOGIN."""
    return text if text.strip() in _PROMPTS or not text.strip() else WITHHELD


def refusal(code: int, text: bytes) -> bytes:
    """What of a refusal may be shown whose command was not captured: it may quote a credential, or message text."""
    return QUOTED.sub(WITHHELD, text) if code in REFUSALS else text
