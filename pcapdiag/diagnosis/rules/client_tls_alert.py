"""PD206: the client ended the TLS handshake with a fatal alert."""

from collections.abc import Iterator

from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.tls_evidence import alerted
from pcapdiag.model import Party, Side


@rule(
    "PD206",
    "Client refused the TLS handshake",
    Party.CLIENT,
    supersedes=("PD201", "PD202", "PD203"),
    ends=(Kind.FIN, Kind.RST),
)
def client_tls_alert(see: Observation) -> Iterator[Claim]:
    """The client ended the TLS handshake with a fatal alert.

    What it sees:
        A fatal alert in clear from the client before any close, or crossing the first one; then the connection closed.

    What it means:
        The client did not accept what the server offered: its certificate (unknown_ca, certificate_expired,
        bad_certificate), its protocol version, or a cipher. The alert's name says which.

    What else looks like this:
        In TLS 1.3 the client's alert may be encrypted; then only the close can be seen (PD201, PD202). A reset that
        follows the alert is how a socket with unread input closes, not a second cause.

    What to do:
        On the server, check certificate, chain and protocol versions (openssl s_client -starttls smtp); on the client,
        its TLS policy for this destination.

    Sources:
        RFC 8446 section 6.2; RFC 3207 section 4.
    """
    if see.ending.alert is not None and see.ending.side is Side.CLIENT:
        yield alerted(see, Side.CLIENT)
