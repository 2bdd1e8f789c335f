"""PD609: the wait has the length of a well-known timer."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Duration

TIMERS = (
    (10, "Postfix smtpd_timeout under stress"),
    (30, "Postfix smtp_connect_timeout"),
    (60, "Exchange Edge ConnectionInactivityTimeout"),
    (120, "RFC 5321 DATA initiation, Postfix smtp_data_init_timeout"),
    (180, "RFC 5321 data block, Postfix smtp_data_xfer_timeout"),
    (240, "Azure load balancer idle timeout"),
    (300, "RFC 5321 command timeout, Postfix smtpd_timeout, Exim smtp_receive_timeout"),
    (350, "AWS load balancer and NAT gateway idle timeout"),
    (600, "RFC 5321 data termination, Postfix smtp_data_done_timeout, Exchange ConnectionTimeout"),
    (3600, "idle timer of many firewalls"),
)
TOLERANCE_S = 2.0
LOOSE = 0.02


@rule("PD609", "The wait has the length of a well-known timer", None, ends=(Kind.FIN, Kind.RST, Kind.SILENCE))
def known_timer(see: Observation) -> Iterator[Claim]:
    """The wait before the end is as long as a timer that is known by name.

    What it sees:
        The session was closed, and the wait before its end differs from a well-known timer by less than two seconds (at
        the short ones by less than 2%).

    What it means:
        Somebody's timer ran out; the name tells where to look for its setting.

    What else looks like this:
        Chance. The name is a hint, not a proof.

    What to do:
        Compare with the settings of the software and the devices involved.

    Sources:
        RFC 5321 section 4.5.3.2; Postfix, Exim and Exchange documentation; docs/explanation/timers.md.
    """
    if see.waited_ns is None:
        return
    waited = see.waited_ns / 1e9
    for seconds, name in TIMERS:
        if abs(waited - seconds) <= min(TOLERANCE_S, max(LOOSE * seconds, 0.3)):
            yield Claim(
                ("The wait of ", Duration(see.waited_ns), f" before the end has the length of {name} ({seconds} s)"),
                (Evidence(("the last news and the end",), words.frames(see.last_news, see.ending.at)),),
            )
            return
