"""PD305: the server ended the TLS handshake with a fatal alert."""

from collections.abc import Iterator

from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.tls_evidence import alerted
from pcapdiag.model import Party, Side


@rule(
    "PD305",
    "Server refused the TLS handshake",
    Party.SERVER,
    supersedes=("PD301", "PD302", "PD303", "PD304"),
    ends=(Kind.FIN, Kind.RST),
)
def server_tls_alert(see: Observation) -> Iterator[Claim]:
    """The server ended the TLS handshake with a fatal alert.

    What it sees:
        A fatal alert in clear from the server before any close, or crossing the first one; then the connection closed.

    What it means:
        The server did not accept what the client offered: protocol_version and handshake_failure mean that the two have
        no version or cipher in common.

    What else looks like this:
        The client's FIN may stand first in a capture although it only reacts to the alert: the acknowledgement numbers
        tell. A device that ends TLS it cannot inspect resets without an alert.

    What to do:
        Compare the versions and ciphers the client offers with the server's configuration.

    Sources:
        RFC 8446 section 6.2; RFC 3207 section 4.
    """
    if see.ending.alert is not None and see.ending.side is Side.SERVER:
        yield alerted(see, Side.SERVER)
