"""TLS: handshakes that fail, and connections that are dropped inside, where only sizes and directions can be seen."""

import ssl

from ..lab import Lab
from ..peers import deliver, hello, reach, secure, take_hello
from ..peers.conversation import answers
from ..scenario import scenario

IMPLICIT_TLS = 465


@scenario("STARTTLS, a whole delivery inside TLS, QUIT", "starttls tls quit clean encrypted")
def tls_delivery(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("STARTTLS")
    server.hears("STARTTLS")
    server.says("220 2.0.0 Ready to start TLS")
    client.hears("220")
    secure(client, server, lab.tls.client_context(), lab.tls.server_context())
    deliver(client, server, begin="ehlo")
    lab.did("nobody", "quit", "quit", "encrypted")


@scenario("The server answers STARTTLS with 220 and aborts", "starttls server rst")
def starttls_server_aborts(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("STARTTLS")
    server.hears("STARTTLS")
    server.says("220 2.0.0 Ready to start TLS")
    client.hears("220")
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "starttls")


@scenario("The client's ClientHello stays unanswered; the server closes", "tls server fin", ipv6=True)
def client_hello_server_closes(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("STARTTLS")
    server.hears("STARTTLS")
    server.says("220 2.0.0 Ready to start TLS")
    client.hears("220")
    hello(client, lab.tls.client_context())
    take_hello(server)
    server.waits(0.4)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "tls")


@scenario("The client distrusts the server's certificate: a fatal alert, and it closes", "tls client fin alert")
def certificate_distrusted(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("STARTTLS")
    server.hears("STARTTLS")
    server.says("220 2.0.0 Ready to start TLS")
    client.hears("220")
    oldest = ssl.TLSVersion.TLSv1_2
    try:
        secure(client, server, lab.tls.client_context(trusts=False), lab.tls.server_context(newest=oldest))
    except ssl.SSLError:
        client.closes()
    server.reads_all()
    server.hears_end()
    server.closes()
    lab.shows("client", "tls.alert_message && tcp.dstport == 25")
    lab.did("client", "fin", "alert", "tls")


@scenario("On port 465, in the middle of the message, the server's program aborts", "encrypted server rst 465")
def implicit_tls_server_aborts_in_body(lab: Lab) -> None:
    client, server = lab.session(IMPLICIT_TLS)
    secure(client, server, lab.tls.client_context(), lab.tls.server_context())
    reach(client, server, until="body")
    server.waits(0.5)
    server.aborts()
    client.hears_end()
    lab.did("server", "rst", "abort", "encrypted")


@scenario(
    "Inside TLS a device resets both ends while the server owes the reply to the dot", "encrypted middlebox rst forged"
)
def encrypted_resets_to_both(lab: Lab) -> None:
    client, server = lab.session(IMPLICIT_TLS)
    secure(client, server, lab.tls.client_context(), lab.tls.server_context())
    reach(client, server, until="end-of-data")
    lab.pauses(0.4)
    lab.forger.resets("client", ttl=128, ip_id=4711)
    lab.forger.resets("server", ttl=128, ip_id=4712)
    client.hears_end()
    server.hears_end()
    lab.shows("client", "tcp.flags.reset == 1 && ip.ttl > 64")
    lab.did("middlebox", "rst", "forged reset", "encrypted")


@scenario("STARTTLS is refused with 454; the client says QUIT", "starttls quit 454")
def starttls_refused(lab: Lab) -> None:
    client, server = lab.talk(after="ehlo")
    client.says("STARTTLS")
    server.hears("STARTTLS")
    server.says("454 4.7.0 TLS not available due to local problem")
    client.hears("454")
    client.says("QUIT")
    server.hears("QUIT")
    answers("quit", client, server)
    server.closes()
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")
