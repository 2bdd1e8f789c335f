"""Real mail software at both ends: deliveries, refusals, certificates, and a device or a path between them that fails."""

from ..lab import Lab
from ..packets import RST
from ..scenario import scenario
from ..software.aiosmtpd_server import AiosmtpdServer, Hook
from ..software.exim import Exim
from ..software.mail_system import RELAY, Certificate, Endpoint, MailSystem, Message
from ..software.opensmtpd import OpenSmtpd
from ..software.postfix import Postfix
from ..software.sendmail import Sendmail
from ..software.smtplib_client import SmtplibClient
from ..software.swaks import Swaks
from ..wire import behind, carries
from .real_cast import has_delivered, loses_its_process, meets, sends, serves

HELLO = Message("hello")
SAYS_QUIT = 'tcp.payload contains "QUIT"'
LONG = Message("long", size=70_000)
# With BDAT Exim sends all at once, from MAIL to QUIT and FIN, before any reply.
NO_CHUNKS = {"smtpd_discard_ehlo_keywords": "chunking"}
KEEPS_CONNECTIONS = {
    "smtp_connection_cache_destinations": f"static:{RELAY}",
    "smtp_connection_cache_time_limit": "20s",
    "connection_cache_ttl_limit": "20s",
}
# Without pipelining DATA is alone when it waits for its reply.
SLOW_AT_DATA = {"smtpd_data_restrictions": "sleep 3", "smtpd_discard_ehlo_keywords": "pipelining"}


def delivers(lab: Lab, client: MailSystem, server: MailSystem) -> None:
    meets(lab)
    client.send(HELLO)
    server.wait_delivered("hello")
    client.wait_idle()
    lab.pauses(0.3)


# --- nothing happens ----------------------------------------------------------------------------------------------------


@scenario("Postfix delivers to Postfix", "quit clean postfix")
def postfix_to_postfix(lab: Lab) -> None:
    server = serves(lab, Postfix)
    delivers(lab, sends(lab, Postfix), server)
    lab.shows("client", SAYS_QUIT)
    lab.did("nobody", "quit", "quit", "quit", mail="delivered", delivered=True)


@scenario("Exim delivers to Postfix over IPv6", "quit clean exim postfix half-close", ipv6=True)
def exim_to_postfix(lab: Lab) -> None:
    server = serves(lab, Postfix)
    delivers(lab, sends(lab, Exim), server)
    lab.shows("client", SAYS_QUIT)
    lab.did("nobody", "quit", "quit", "quit", mail="delivered", delivered=True)


@scenario("sendmail delivers to Exim", "quit clean sendmail exim")
def sendmail_to_exim(lab: Lab) -> None:
    server = serves(lab, Exim)
    delivers(lab, sends(lab, Sendmail), server)
    lab.shows("client", SAYS_QUIT)
    lab.did("nobody", "quit", "quit", "quit", mail="delivered", delivered=True)


@scenario("OpenSMTPD delivers to sendmail", "quit clean opensmtpd sendmail")
def opensmtpd_to_sendmail(lab: Lab) -> None:
    server = serves(lab, Sendmail)
    client = sends(lab, OpenSmtpd)
    delivers(lab, client, server)
    client.wait_logged("mta disconnected")  # it waits a while for more mail
    lab.pauses(0.3)
    lab.shows("client", SAYS_QUIT)
    lab.did("nobody", "quit", "quit", "quit", mail="delivered", delivered=True)


@scenario("Postfix delivers to Exim inside TLS", "quit clean tls encrypted postfix exim")
def postfix_to_exim_tls(lab: Lab) -> None:
    certificate = Certificate.issue("relay.example")
    server = serves(lab, Exim, certificate=certificate)
    delivers(lab, sends(lab, Postfix, trusts=certificate.authority), server)
    lab.shows("client", "tls.handshake.type == 2")
    lab.did("nobody", "quit", "quit", "encrypted", mail="encrypted")


@scenario("Exim delivers to Postfix inside TLS", "quit clean tls encrypted exim postfix")
def exim_to_postfix_tls(lab: Lab) -> None:
    certificate = Certificate.issue("relay.example")
    server = serves(lab, Postfix, certificate=certificate)
    delivers(lab, sends(lab, Exim, trusts=certificate.authority), server)
    lab.shows("client", "tls.handshake.type == 2")
    lab.did("nobody", "quit", "quit", "encrypted", mail="encrypted")


@scenario("swaks delivers to OpenSMTPD", "quit clean swaks opensmtpd")
def swaks_to_opensmtpd(lab: Lab) -> None:
    server = serves(lab, OpenSmtpd)
    lab.real_client_uses(lab.addresses.client_port)
    meets(lab)
    assert lab.runs(Swaks(host=lab.network.client)).send(HELLO, Endpoint(lab.server_address)).wait() == 0
    server.wait_delivered("hello")
    lab.shows("client", SAYS_QUIT)
    lab.did("nobody", "quit", "quit", "quit", mail="delivered", delivered=True)


@scenario(
    "Postfix keeps its connection for a next message that does not come, and closes after two seconds, without QUIT",
    "idle client fin postfix cache",
)
def postfix_cached_connection_expires(lab: Lab) -> None:
    server = serves(lab, Postfix)
    client = sends(lab, Postfix, settings={"smtp_connection_cache_destinations": f"static:{RELAY}"})
    delivers(lab, client, server)
    server.wait_logged("disconnect from")
    lab.pauses(0.3)
    lab.shows("client", SAYS_QUIT, at_least=0, at_most=0)
    lab.did("client", "fin", "close", "end-of-data", mail="delivered", delivered=True)


# --- refusals -----------------------------------------------------------------------------------------------------------


@scenario("Exim refuses swaks's recipient with 550; swaks says QUIT", "quit 550 swaks exim")
def swaks_refused_by_exim(lab: Lab) -> None:
    serves(lab, Exim, acl={"rcpt": "  deny message = no such user here"})
    lab.real_client_uses(lab.addresses.client_port)
    meets(lab)
    assert lab.runs(Swaks(host=lab.network.client)).send(HELLO, Endpoint(lab.server_address)).wait() != 0
    lab.shows("client", "smtp.response.code == 550")
    lab.did("nobody", "quit", "quit", "quit", mail="refused")


@scenario(
    "Postfix hears in the reply to EHLO that its message is too big for the server: it closes, and says no QUIT",
    "ehlo client fin postfix size",
)
def postfix_heeds_size(lab: Lab) -> None:
    serves(lab, Postfix, settings={"message_size_limit": "500"})
    client = sends(lab, Postfix)
    meets(lab)
    client.send(HELLO)
    client.wait_logged("status=bounced")
    lab.pauses(0.3)
    lab.did("client", "fin", "close", "ehlo", mail="not sent")


@scenario(
    "Postfix distrusts Postfix's certificate: it finishes the handshake, says QUIT inside TLS, and closes",
    "encrypted tls quit postfix certificate",
)
def postfix_distrusts_certificate(lab: Lab) -> None:
    serves(lab, Postfix, certificate=Certificate.issue("relay.example"))
    client = sends(lab, Postfix, trusts=Certificate.issue("relay.example").authority)
    meets(lab)
    client.send(HELLO)
    client.wait_logged("status=deferred")
    lab.pauses(0.3)
    lab.shows("client", "tls.handshake.type == 2 && tcp.srcport == 25")
    lab.shows("client", "tcp.flags.fin == 1 && tcp.len > 24 && tcp.dstport == 25")
    lab.did("nobody", "quit", "unheard quit", "encrypted", mail="encrypted")


@scenario(
    "Exim distrusts Postfix's certificate, in TLS 1.2: a fatal alert that everybody can read", "tls client alert exim"
)
def exim_distrusts_certificate(lab: Lab) -> None:
    old = {"smtpd_tls_protocols": ">=TLSv1.2, <=TLSv1.2"}
    server = serves(lab, Postfix, certificate=Certificate.issue("relay.example"), settings=old)
    client = sends(lab, Exim, trusts=Certificate.issue("relay.example").authority)
    meets(lab)
    client.send(HELLO)
    server.wait_logged("disconnect from")
    lab.pauses(0.3)
    lab.shows("client", "tls.alert_message && tcp.dstport == 25")
    lab.did("client", "fin", "alert", "tls", mail="not sent")


@scenario("OpenSMTPD breaks off Exim's TLS handshake behind its ServerHello", "tls server fin opensmtpd exim")
def opensmtpd_breaks_off_handshake(lab: Lab) -> None:
    certificate = Certificate.issue("relay.example")
    server = serves(lab, OpenSmtpd, certificate=certificate)
    client = sends(lab, Exim, trusts=certificate.authority)
    meets(lab)
    client.send(HELLO)
    server.wait_logged("io-error")
    lab.pauses(0.3)
    lab.shows("client", "tls.handshake.type == 2 && tcp.srcport == 25")
    lab.did("server", "fin", "close", "tls", mail="not sent")


# --- a host goes --------------------------------------------------------------------------------------------------------


@scenario("aiosmtpd closes the connection of smtplib at RCPT, with a FIN", "rcpt server fin aiosmtpd smtplib")
def aiosmtpd_closes_at_rcpt(lab: Lab) -> None:
    lab.runs(AiosmtpdServer(host=lab.network.server, hook=Hook("RCPT", "close", 0.3)))
    lab.real_client_uses(lab.addresses.client_port)
    meets(lab)
    smtplib = lab.runs(SmtplibClient(host=lab.network.client))
    smtplib.send(HELLO, Endpoint(lab.server_address)).wait()
    lab.did("server", "fin", "close", "rcpt", mail="not sent")


@scenario(
    "aiosmtpd has stored Postfix's message when its process dies: no reply",
    "end-of-data server killed aiosmtpd postfix",
)
def aiosmtpd_dies_behind_the_store(lab: Lab) -> None:
    server = lab.runs(AiosmtpdServer(host=lab.network.server, hook=Hook("STORED", "exit", 0.3)))
    client = sends(lab, Postfix)
    meets(lab)
    client.send(HELLO)
    client.wait_logged("status=deferred")
    assert server.delivered("hello")
    lab.shows("client", "smtp.response.code == 354")
    lab.did("server", "fin", "killed", "end-of-data", mail="unanswered", delivered=True)


@scenario(
    "Postfix takes Exim's message and considers it behind the dot; its process is killed",
    "end-of-data server killed postfix exim",
)
def postfix_killed_behind_exims_dot(lab: Lab) -> None:
    server = serves(lab, Postfix, settings={**NO_CHUNKS, "smtpd_end_of_data_restrictions": "sleep 9"})
    client = sends(lab, Exim)
    meets(lab)
    client.send(HELLO)
    lab.pauses(1.5)
    loses_its_process(lab, server)
    client.wait_logged("end of data")
    lab.did("server", "fin", "killed", "end-of-data", mail="unanswered")


@scenario(
    "Inside TLS, the process of aiosmtpd dies behind smtplib's dot", "encrypted server fin killed aiosmtpd smtplib"
)
def aiosmtpd_dies_inside_tls(lab: Lab) -> None:
    certificate = Certificate.issue("server.example")
    hook = Hook("DATA", "exit", 0.5)
    lab.runs(AiosmtpdServer(host=lab.network.server, certificate=certificate, hook=hook))
    lab.real_client_uses(lab.addresses.client_port)
    meets(lab)
    smtplib = lab.runs(SmtplibClient(host=lab.network.client, trusts=certificate.authority))
    smtplib.send(HELLO, Endpoint(lab.server_address)).wait()
    lab.shows("client", "tls.handshake.type == 2")
    lab.did("server", "fin", "killed", "encrypted", mail="encrypted")


@scenario("Inside TLS, the smtpd that considers Exim's message is killed", "encrypted server fin killed postfix exim")
def postfix_killed_inside_tls(lab: Lab) -> None:
    certificate = Certificate.issue("relay.example")
    slow = {**NO_CHUNKS, "smtpd_end_of_data_restrictions": "sleep 9"}
    server = serves(lab, Postfix, certificate=certificate, settings=slow)
    client = sends(lab, Exim, trusts=certificate.authority)
    meets(lab)
    client.send(HELLO)
    lab.pauses(1.5)
    loses_its_process(lab, server)
    client.wait_logged("end of data")
    lab.pauses(0.3)
    lab.did("server", "fin", "killed", "encrypted", mail="encrypted")


@scenario(
    "Exim scans Postfix's message when its machine loses power; Postfix waits, and gives up into silence",
    "end-of-data server silence power exim postfix",
)
def exim_scans_and_its_power_fails(lab: Lab) -> None:
    serves(lab, Exim, acl={"data": "  warn delay = 9s"})
    client = sends(lab, Postfix, settings={"smtp_data_done_timeout": "4s"})
    meets(lab)
    client.send(HELLO)
    lab.pauses(1.5)
    lab.power_fails("server")
    client.wait_logged("timed out while sending end of data")
    lab.pauses(1.5)
    lab.shows("client", "tcp.flags.fin == 1 && tcp.dstport == 25", at_least=2)
    lab.did("server", "timeout", "power failure", "end-of-data", mail="unanswered", spoke_after=("client",))


# --- something between them fails ---------------------------------------------------------------------------------------


@scenario(
    "A device resets the sending Postfix at DATA; the other one's reply, seconds later, meets no socket",
    "data middlebox rst forged postfix",
)
def postfix_reset_at_data_client_only(lab: Lab) -> None:
    serves(lab, Postfix, settings=SLOW_AT_DATA)
    client = sends(lab, Postfix)
    meets(lab)
    client.send(HELLO)
    lab.pauses(1.5)
    lab.forger.resets("client", ttl=64, ip_id=0, flags=RST, window=0)
    client.wait_logged("status=deferred")
    lab.pauses(2.5)
    lab.shows("server", "tcp.flags == 0x004 && tcp.dstport == 25")
    lab.did("middlebox", "rst", "forged reset", "data", mail="not sent", owing="server", spoke_after=("server",))


@scenario(
    "A device resets the receiving Postfix at DATA; the other one waits for the 354 until its patience ends",
    "data middlebox rst forged postfix",
)
def postfix_reset_at_data_server_only(lab: Lab) -> None:
    server = serves(lab, Postfix, settings=SLOW_AT_DATA)
    client = sends(lab, Postfix, settings={"smtp_data_init_timeout": "4s"})
    meets(lab)
    client.send(HELLO)
    lab.pauses(1.5)
    lab.forger.resets("server", ttl=255)
    client.wait_logged("timed out while")
    assert not server.delivered("hello")
    lab.pauses(0.3)
    lab.shows("client", "tcp.flags == 0x004 && tcp.srcport == 25")
    lab.did("middlebox", "rst", "forged reset", "data", mail="not sent", stalled_by="server", spoke_after=("client",))


@scenario("The path from Exim to Postfix dies in the middle of a long message", "body path silence exim postfix")
def exim_to_postfix_path_dies_in_body(lab: Lab) -> None:
    serves(lab, Postfix, settings=NO_CHUNKS)
    client = sends(lab, Exim, transport={"data_timeout": "4s"})
    meets(lab)
    lab.far.dies_with("server", behind(30_000))
    client.send(LONG)
    lab.pauses(4)
    lab.shows("client", "tcp.analysis.retransmission && tcp.dstport == 25", at_least=3)
    lab.shows("client", SAYS_QUIT, at_least=0, at_most=0)
    lab.did("path", "timeout", "silence", "body", mail="not sent", spoke_after=("client",))


@scenario(
    "Exim scans Postfix's message for longer than a firewall remembers the connection; its 250 is dropped",
    "end-of-data path silence state exim postfix",
)
def exim_scans_while_state_expires(lab: Lab) -> None:
    lab.firewall.keeps_states(idle_s=2, then="drop")
    server = serves(lab, Exim, acl={"data": "  warn delay = 4s"})
    client = sends(lab, Postfix, settings={"smtp_data_done_timeout": "8s"})
    meets(lab)
    client.send(HELLO)
    lab.pauses(4)
    lab.firewall.has_forgotten()
    server.wait_delivered("hello")
    client.wait_logged("timed out while sending end of data")
    lab.pauses(1.5)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.did(
        "path",
        "timeout",
        "state expired, silent",
        "end-of-data",
        mail="unanswered",
        delivered=True,
        spoke_after=("client", "server"),
    )


@scenario(
    "Postfix has accepted Postfix's message, and its 250 never arrives: the path toward the client dies with it",
    "end-of-data path silence duplicate postfix",
)
def postfix_reply_to_dot_lost(lab: Lab) -> None:
    server = serves(lab, Postfix, settings={"smtpd_end_of_data_restrictions": "sleep 1"})
    client = sends(lab, Postfix, settings={"smtp_data_done_timeout": "4s"})
    meets(lab)
    lab.far.dies_with("client", carries(b"250 2.0.0 Ok: queued"))
    client.send(HELLO)
    client.wait_logged("timed out while sending end of data")
    assert server.delivered("hello")
    lab.pauses(1.5)
    lab.shows("server", "tcp.analysis.retransmission && tcp.srcport == 25", at_least=2)
    lab.shows("client", "tcp.flags.fin == 1 && tcp.dstport == 25", at_least=2)
    lab.did(
        "path", "timeout", "silence", "end-of-data", mail="unanswered", delivered=True, spoke_after=("client", "server")
    )


@scenario(
    "A firewall forgets the connection that Postfix keeps for its next message, which draws a reset; a new one serves",
    "idle middlebox rst state postfix cache",
)
def postfix_cached_connection_state_expires(lab: Lab) -> None:
    lab.firewall.keeps_states(idle_s=2, then="reset")
    server = serves(lab, Postfix)
    client = sends(lab, Postfix, settings=KEEPS_CONNECTIONS)
    meets(lab)
    client.send(HELLO)
    server.wait_delivered("hello")
    has_delivered(lab)
    lab.pauses(3.5)
    lab.firewall.has_forgotten()
    lab.real_client_uses(lab.addresses.client_port + 1)
    client.send(Message("once more"))
    lab.journal.write("client", "says", session=0, lines=["RSET"])  # the server never reads it
    lab.did("middlebox", "rst", "state expired, reset", "other", aimed_at="client")
    lab.expects_session(lab.addresses.client_port + 1)
    server.wait_delivered("once more")
    lab.pauses(0.5)
    lab.shows("client", "tcp.flags == 0x004 && tcp.srcport == 25")
    lab.shows("client", 'tcp.payload contains "RSET"')
    lab.shows("server", 'tcp.payload contains "RSET"', at_least=0, at_most=0)
    lab.did("nobody", "open", "open", "end-of-data", mail="delivered", delivered=True)
