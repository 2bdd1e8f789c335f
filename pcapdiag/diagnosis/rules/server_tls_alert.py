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
        All of the following: the session ended by a close; a fatal TLS alert in clear from the server came before the
        first close, or crossed it (the client's FIN does not yet acknowledge the alert, and the alert does not
        acknowledge the FIN).

    What it means:
        The server did not accept what the client offered: protocol_version and handshake_failure mean that the two
        have no version or cipher in common.

    What else looks like this:
        The client's FIN may stand first in a capture although it only reacts to the alert: the acknowledgement numbers
        tell. A device that ends TLS it cannot inspect resets without an alert (PD401, PD402).

    What to do:
        Compare the versions the client offered (quoted in the report) with the server's: openssl s_client -starttls
        smtp -connect SERVER:25 -tls1_2, then -tls1_3, shows what it takes. On the server: Postfix smtpd_tls_protocols,
        smtpd_tls_mandatory_protocols and smtpd_tls_loglevel 1 ("SSL_accept error from"); Exim tls_require_ciphers and
        openssl_options ("TLS error on connection from" in mainlog); Exchange: the Schannel settings of Windows and
        event source Schannel in the system log. An old client: update it, rather than lower the server.

    Sources:
        RFC 8446 section 6.2 (error alerts: protocol_version, handshake_failure); RFC 3207 section 4.
    """
    if see.ending.alert is not None and see.ending.side is Side.SERVER:
        yield alerted(see, Side.SERVER)
