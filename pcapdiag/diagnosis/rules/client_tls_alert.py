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
        All of the following: the session ended by a close; a fatal TLS alert in clear from the client came before the
        first close, or crossed it (the server's FIN does not yet acknowledge the alert, and the alert does not
        acknowledge the FIN).

    What it means:
        The client did not accept what the server offered: its certificate (unknown_ca, certificate_expired,
        bad_certificate), its protocol version, or a cipher. The alert's name says which.

    What else looks like this:
        In TLS 1.3 the client's alert may be encrypted: then only the close can be seen (PD201, PD202). A reset that
        follows the alert is how a socket with unread input closes, not a second cause.

    What to do:
        On any machine: openssl s_client -starttls smtp -connect SERVER:25 -verify_return_error (465: without
        -starttls) shows chain, version and cipher as the client sees them; compare with the alert's name. On the
        client, read why it insists: Postfix smtp_tls_security_level, smtp_tls_policy_maps and smtp_tls_loglevel 1;
        Exim hosts_require_tls, tls_verify_hosts and hosts_try_dane; Exchange Get-SendConnector | fl
        Name,RequireTLS,TlsAuthLevel,TlsDomain. On the server, mend what the alert names: chain file, expiry date,
        protocol versions.

    Sources:
        RFC 8446 section 6.2 (error alerts: after a fatal alert "both parties MUST immediately close the connection"),
        RFC 3207 section 4.
    """
    if see.ending.alert is not None and see.ending.side is Side.CLIENT:
        yield alerted(see, Side.CLIENT)
