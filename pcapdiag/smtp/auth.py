"""Credentials: what of AUTH may be shown, and how the rest is kept from leaving the parser.

A mechanism's name is shown when it is a name that mechanisms have; everything behind it is not. Some servers quote the
line that they refuse (``500 5.5.1 Command unrecognized: "..."``): `Secrets` remembers what was withheld until the
conversation ends, and takes it out of the replies.
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
_KEPT = 16
_SHORTEST = 4
_UNSEEN = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
REFUSALS = frozenset((500, 501, 502, 503, 504, 535))
"""Codes of replies that may quote the line they refuse."""
_TOKEN = re.compile(rb"\S{4,}")


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
    """What of a refusal may be shown whose command was not captured: it may quote one that held a credential."""
    return _UNSEEN.sub(WITHHELD, text) if code in REFUSALS else text


class Secrets:
    """Takes withheld words out of what the server quotes."""

    __slots__ = ("words",)

    def __init__(self) -> None:
        self.words: list[bytes] = []

    def shown(self, argument: bytes) -> bytes:
        """What of AUTH's argument may be shown; the rest is withheld."""
        name = mechanism(argument)
        self.withhold(argument.partition(b" ")[2] if name else argument)
        return name

    def withhold(self, line: bytes) -> None:
        """Remember the words of a line that must not be shown; of very many the latest."""
        for word in _TOKEN.findall(line)[:4]:
            if word not in self.words:
                self.words.append(word)
        del self.words[:-_KEPT]

    def scrub(self, text: bytes) -> bytes:
        """`text` without the words withheld, as far as it quotes them whole or cut short."""
        for word in self.words:
            text = text.replace(word, WITHHELD)
            # A server quotes as much as its buffer holds: look for the beginning of the word, too.
            at = text.find(word[: _SHORTEST * 2]) if len(word) > _SHORTEST * 2 else -1
            if at >= 0:
                end = next((i for i in range(at, len(text)) if text[i : i + 1] in b" \t\"'>)"), len(text))
                text = text[:at] + WITHHELD + text[end:]
        return text
