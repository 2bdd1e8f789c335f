"""Real mail clients, and a scripted server that closes, aborts, falls silent or refuses."""

from ..lab import Lab
from ..peers import Peer, serve
from ..peers.conversation import REPLIES
from ..scenario import scenario
from ..software.exim import Exim
from ..software.mail_system import RELAY, Endpoint, Message
from ..software.opensmtpd import OpenSmtpd
from ..software.postfix import Postfix
from ..software.sendmail import Sendmail
from ..software.smtplib_client import SmtplibClient
from ..software.swaks import Swaks
from .real_cast import READER, sends

HELLO = Message("hello")


def says_goodbye(server: Peer) -> None:
    """The server's part behind a final dot that was answered: 221, and it closes when the client has."""
    server.hears("QUIT")
    server.says("221 2.0.0 Bye")
    server.hears_end()
    server.closes()


# --- Postfix, which pipelines -------------------------------------------------------------------------------------------


@scenario(
    "Postfix has sent MAIL, RCPT and DATA in one segment; the server closes without a reply to any",
    "mail server fin postfix pipelining",
)
def postfix_envelope_in_flight(lab: Lab) -> None:
    lab.listens()
    sends(lab, Postfix).send(HELLO)
    server = lab.accepts()
    serve(server, after="ehlo")
    server.hears("MAIL")
    server.waits(0.3)
    server.closes()
    lab.pauses(0.5)
    lab.shows("client", 'tcp.payload contains "RCPT TO" && tcp.payload contains "DATA"')
    lab.did("server", "fin", "close", "mail")


@scenario(
    "Postfix has sent the final dot and QUIT in one segment; the server aborts before it has answered",
    "end-of-data server rst postfix pipelining",
)
def postfix_dot_and_quit_server_aborts(lab: Lab) -> None:
    lab.listens()
    sends(lab, Postfix).send(HELLO)
    server = lab.accepts()
    serve(server, until="end-of-data")
    server.hears("QUIT")
    server.waits(0.3)
    server.aborts()
    lab.pauses(0.3)
    lab.did("server", "rst", "abort", "end-of-data")


@scenario(
    "The server never answers the final dot; Postfix, whose QUIT went with it, loses patience (smtp_data_done_timeout)",
    "end-of-data client fin timeout postfix pipelining",
)
def postfix_data_done_timeout(lab: Lab) -> None:
    lab.listens()
    postfix = sends(lab, Postfix, settings={"smtp_data_done_timeout": "2s"})
    postfix.send(HELLO)
    server = lab.accepts()
    serve(server, until="end-of-data")
    server.hears("QUIT")
    server.hears_end()
    server.closes()
    postfix.wait_logged("timed out while sending end of data")
    lab.did("client", "fin", "gives up", "end-of-data", stalled_by="server", owing="server")


@scenario(
    "Postfix keeps its connection for the next message, and says no QUIT; the server loses patience: 421, and closes",
    "idle server fin 421 postfix cache",
)
def postfix_cached_connection_421(lab: Lab) -> None:
    lab.listens()
    cache = {"smtp_connection_cache_destinations": f"static:{RELAY}", "smtp_connection_cache_time_limit": "20s"}
    sends(lab, Postfix, settings=cache).send(HELLO)
    server = lab.accepts()
    serve(server, after="end-of-data")
    server.waits_in_vain(1.5)
    server.says("421 4.4.2 gw.example.net Timeout, closing")
    server.closes()
    lab.pauses(0.3)
    lab.shows("client", 'tcp.payload contains "QUIT"', at_least=0, at_most=0)
    lab.did("server", "fin", "gives up", "end-of-data", stalled_by="client")


@scenario(
    "Postfix's queue is flushed twice, and each time the server closes behind the dot: three copies, perhaps",
    "end-of-data server fin postfix storm pipelining",
)
def postfix_retry_storm(lab: Lab) -> None:
    lab.listens()
    postfix = sends(lab, Postfix)
    postfix.send(HELLO)
    for attempt in range(3):
        server = lab.accepts()
        serve(server, until="end-of-data")
        server.hears("QUIT")
        server.waits(0.3)
        server.closes()
        lab.did("server", "fin", "close", "end-of-data")
        postfix.wait_logged("lost connection")
        lab.pauses(0.5)
        lab.real_client_uses(lab.addresses.client_port + attempt + 1)
        postfix.flush()


@scenario(
    "Postfix speaks LMTP; of two recipients one is answered behind the dot, and the server closes",
    "end-of-data server fin postfix lmtp",
)
def postfix_lmtp_second_reply_missing(lab: Lab) -> None:
    lab.listens()
    postfix = sends(lab, Postfix, protocol="lmtp", settings={"lmtp_destination_recipient_limit": "10"})
    postfix.send(Message("hello", recipients=(READER, "writer@server.example")))
    server = lab.accepts()
    server.says("220 gw.example.net LMTP")
    server.hears("LHLO")
    server.says(*REPLIES["ehlo"])
    for command in ("MAIL", "RCPT", "RCPT"):
        server.hears(command)
        server.says("250 2.0.0 Ok")
    server.hears("DATA")
    server.says(*REPLIES["data"])
    server.hears(".")
    server.says("250 2.1.5 The reader has it")
    server.hears("QUIT")
    server.waits(0.3)
    server.closes()
    lab.pauses(0.3)
    lab.did("server", "fin", "close", "end-of-data")


@scenario("Greylisting: Postfix hears 451 to RCPT, and QUITs", "quit 451 postfix greylisting")
def postfix_greylisted(lab: Lab) -> None:
    lab.listens()
    sends(lab, Postfix).send(HELLO)
    server = lab.accepts()
    serve(server, until="rcpt")
    server.says("451 4.7.1 Greylisted, come again")
    server.hears("DATA")
    server.says("503 5.5.1 No recipients")
    server.hears("RSET")
    server.says("250 2.0.0 Ok")
    says_goodbye(server)
    lab.did("nobody", "quit", "quit", "quit")


@scenario("The server greets Postfix with 421 and closes", "greeting server fin 421 postfix")
def postfix_greeted_with_421(lab: Lab) -> None:
    lab.listens()
    sends(lab, Postfix).send(HELLO)
    server = lab.accepts()
    server.waits(0.1)
    server.says("421 4.3.2 gw.example.net Too busy")
    server.closes()
    lab.pauses(0.5)
    lab.did("server", "fin", "close", "greeting")


@scenario(
    "The first server greets Postfix with 450; Postfix says QUIT, and delivers to the next",
    "quit 450 clean postfix fallback",
)
def postfix_goes_on_to_the_next(lab: Lab) -> None:
    lab.listens()
    lab.listens(2525)
    postfix = sends(lab, Postfix, settings={"smtp_fallback_relay": f"[{RELAY}]:2525"})
    postfix.send(HELLO)
    server = lab.accepts()
    lab.real_client_uses(lab.addresses.client_port + 1)
    server.says("450 4.3.2 gw.example.net Not now")
    says_goodbye(server)
    lab.did("nobody", "quit", "quit", "quit")
    server = lab.accepts(2525)
    serve(server, after="end-of-data")
    says_goodbye(server)
    postfix.wait_idle()
    lab.did("nobody", "quit", "quit", "quit")


# --- Exim, which ends its half at once ----------------------------------------------------------------------------------


@scenario("Exim sends the final dot, QUIT and FIN in one segment, and is answered", "quit exim half-close clean")
def exim_early_fin_answered(lab: Lab) -> None:
    lab.listens()
    exim = sends(lab, Exim)
    exim.send(HELLO)
    server = lab.accepts()
    serve(server, until="end-of-data")
    server.waits(0.8)
    server.says(*REPLIES["end-of-data"])
    says_goodbye(server)
    exim.wait_idle()
    lab.did("nobody", "quit", "quit", "quit")


@scenario(
    "Exim sends the final dot, QUIT and FIN in one segment; the server closes without an answer",
    "end-of-data server fin exim half-close",
)
def exim_early_fin_server_closes(lab: Lab) -> None:
    lab.listens()
    sends(lab, Exim).send(HELLO)
    server = lab.accepts()
    serve(server, until="end-of-data")
    server.hears("QUIT")
    server.waits(0.8)
    server.closes()
    lab.pauses(0.3)
    lab.did("server", "fin", "close", "end-of-data")


@scenario(
    "Exim has sent the final dot, QUIT and FIN, and loses patience, which nobody sees: the server never answers",
    "end-of-data open exim half-close",
)
def exim_early_fin_never_answered(lab: Lab) -> None:
    lab.listens()
    exim = sends(lab, Exim, transport={"final_timeout": "2s"})
    exim.send(HELLO)
    server = lab.accepts()
    serve(server, until="end-of-data")
    server.hears("QUIT")
    exim.wait_logged("timeout after end of data")
    lab.pauses(0.5)
    lab.did("nobody", "open", "open", "end-of-data", owing="server")


@scenario(
    "Exim has sent the final dot, QUIT and FIN, and loses patience; the late 250 draws a reset",
    "end-of-data client rst timeout exim half-close",
)
def exim_early_fin_answered_late(lab: Lab) -> None:
    lab.listens()
    exim = sends(lab, Exim, transport={"final_timeout": "2s"})
    exim.send(HELLO)
    server = lab.accepts()
    serve(server, until="end-of-data")
    server.hears("QUIT")
    server.hears_end()  # Exim's FIN, which came with the dot
    exim.wait_logged("timeout after end of data")
    server.waits(2)
    server.says(*REPLIES["end-of-data"])
    lab.pauses(1.5)
    lab.shows("server", "tcp.flags.reset == 1 && tcp.dstport == 25")
    lab.did("client", "rst", "gives up", "end-of-data", stalled_by="server", owing="server")


@scenario("The server never answers RCPT; Exim loses patience (command_timeout)", "rcpt client timeout exim", ipv6=True)
def exim_command_timeout(lab: Lab) -> None:
    lab.listens()
    exim = sends(lab, Exim, transport={"command_timeout": "2s"})
    exim.send(HELLO)
    server = lab.accepts()
    serve(server, until="rcpt")
    exim.wait_logged("timeout")
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "gives up", "rcpt", stalled_by="server", owing="server")


# --- others -------------------------------------------------------------------------------------------------------------


@scenario("The server never answers MAIL; sendmail loses patience (Timeout.mail)", "mail client fin timeout sendmail")
def sendmail_mail_timeout(lab: Lab) -> None:
    lab.listens()
    sendmail = sends(lab, Sendmail, settings={"Timeout.mail": "2s"})
    sendmail.send(HELLO)
    server = lab.accepts()
    serve(server, until="mail")
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "gives up", "mail", stalled_by="server", owing="server")


@scenario("The server aborts sendmail's connection behind the go-ahead", "body server rst sendmail")
def sendmail_server_aborts_behind_go_ahead(lab: Lab) -> None:
    lab.listens()
    sends(lab, Sendmail).send(HELLO)
    server = lab.accepts()
    serve(server, until="data")
    server.aborts()
    lab.pauses(0.3)
    lab.did("server", "rst", "abort", "data")


@scenario("The server closes OpenSMTPD's connection at MAIL", "mail server fin opensmtpd")
def opensmtpd_server_closes_at_mail(lab: Lab) -> None:
    lab.listens()
    sends(lab, OpenSmtpd).send(HELLO)
    server = lab.accepts()
    serve(server, until="mail")
    server.waits(0.2)
    server.closes()
    lab.pauses(0.5)
    lab.did("server", "fin", "close", "mail")


@scenario("The server is killed while swaks waits for the answer to DATA", "data server fin killed swaks")
def swaks_server_killed_at_data(lab: Lab) -> None:
    lab.listens()
    lab.real_client_uses(lab.addresses.client_port)
    swaks = lab.runs(Swaks(host=lab.network.client))
    session = swaks.send(HELLO, Endpoint(lab.server_address))
    server = lab.accepts()
    serve(server, until="data")
    server.is_killed()
    session.wait()
    lab.did("server", "fin", "killed", "data")


@scenario("swaks delivers, and its user tells it to drop the connection behind RCPT", "rcpt client fin swaks")
def swaks_drops_behind_rcpt(lab: Lab) -> None:
    lab.listens()
    lab.real_client_uses(lab.addresses.client_port)
    swaks = lab.runs(Swaks(host=lab.network.client))
    session = swaks.send(HELLO, Endpoint(lab.server_address), "--drop-after", "RCPT")
    server = lab.accepts()
    serve(server, after="rcpt")
    server.hears_end()
    server.closes()
    session.wait()
    lab.did("client", "fin", "close", "rcpt")


@scenario(
    "The server refuses smtplib's message at the dot with 554; smtplib RSETs, and its program just ends",
    "other client fin 554 smtplib",
)
def smtplib_refused_at_dot(lab: Lab) -> None:
    lab.listens()
    lab.real_client_uses(lab.addresses.client_port)
    smtplib = lab.runs(SmtplibClient(host=lab.network.client))
    smtplib.send(HELLO, Endpoint(lab.server_address))
    server = lab.accepts()
    serve(server, until="end-of-data")
    server.says("554 5.7.1 This is advertising")
    server.hears("RSET")
    server.says("250 2.0.0 Ok")
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "close", "other")


@scenario("smtplib has delivered, and its program ends without QUIT", "end-of-data client fin smtplib")
def smtplib_ends_without_quit(lab: Lab) -> None:
    lab.listens()
    lab.real_client_uses(lab.addresses.client_port)
    smtplib = lab.runs(SmtplibClient(host=lab.network.client))
    smtplib.send(HELLO, Endpoint(lab.server_address), end="exit")
    server = lab.accepts()
    serve(server, after="end-of-data")
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "close", "end-of-data")
