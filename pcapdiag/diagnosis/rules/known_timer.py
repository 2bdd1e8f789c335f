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
    (60, "Exchange Edge receive connector ConnectionInactivityTimeout"),
    (120, "RFC 5321 DATA initiation, Postfix smtp_data_init_timeout"),
    (180, "RFC 5321 data block, Postfix smtp_data_xfer_timeout"),
    (240, "Azure load balancer idle timeout"),
    (300, "RFC 5321 command timeout, Postfix smtpd_timeout, Exim smtp_receive_timeout, Exchange receive connector"),
    (350, "AWS load balancer and NAT gateway idle timeout"),
    (600, "RFC 5321 data termination, Postfix smtp_data_done_timeout, Exim final_timeout, Exchange send connector"),
    (3600, "idle timer of many firewalls"),
)
TOLERANCE_S = 2.0
LOOSE = 0.02


@rule("PD609", "The wait has the length of a well-known timer", None, ends=(Kind.FIN, Kind.RST, Kind.SILENCE))
def known_timer(see: Observation) -> Iterator[Claim]:
    """The wait before the end is as long as a timer that is known by name.

    What it sees:
        The session ended by a close or in silence, and the wait from the last new octet or control flag to the end
        differs from one of the timers in the table of docs/explanation/timers.md by at most 2% of it, but never by
        more than two seconds (and 0.3 s are always allowed).

    What it means:
        Somebody's timer ran out; the name tells where to look for its setting.

    What else looks like this:
        Chance: the name is a hint, not a proof, and several programs share one value. An absolute limit on a session
        (Exchange ConnectionTimeout) is counted from its beginning, not from the last word: compare it with the
        session's duration.

    What to do:
        Ask the software of the side that closed for its setting: Postfix postconf | grep timeout; Exim exim -bP | grep
        timeout and exim -bP transport remote_smtp; Exchange Get-ReceiveConnector | fl Name,*Timeout and
        Get-SendConnector | fl Name,*TimeOut. If none fits, compare with the idle timers of the devices on the path:
        cloud load balancer, NAT gateway, firewall. Then ask what the other side was doing for so long: the timer is
        seldom the fault.

    Sources:
        RFC 5321 section 4.5.3.2; the sources of each value stand in docs/explanation/timers.md.
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
