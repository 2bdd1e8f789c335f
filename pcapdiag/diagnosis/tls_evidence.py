"""The claim about a fatal TLS alert, worded once for both sides."""

from __future__ import annotations

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Side, Strength


def alerted(see: Observation, side: Side) -> Claim:
    """`side` ended the TLS handshake with the fatal alert of the ending."""
    alert = see.ending.alert
    assert alert is not None, "the rule asked before"
    at, _, _, description, _ = alert
    tls = see.dialogue.tls
    offered = f" (the client offered {', '.join(tls.offered)})" if tls is not None and tls.offered else ""
    return Claim(
        (*words.The(see.session, side), f" ended the TLS handshake with the fatal alert {description}{offered}"),
        (
            Evidence((f"fatal TLS alert {description}",), words.frames(at)),
            Evidence(("the close that followed",), words.frames(see.ending.at)),
        ),
        how=How.FIN if see.ending.kind is Kind.FIN else How.RST,
        strength=Strength.LIKELY,
        end=see.ending.at,
        next_steps=(("On both hosts: compare TLS versions, ciphers and certificate with what the alert says.",),),
    )
