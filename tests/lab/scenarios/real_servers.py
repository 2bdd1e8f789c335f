"""Real mail servers lose patience, refuse, or lose their process; a scripted client tells how far it came."""

from ..lab import Lab
from ..peers import speak
from ..scenario import scenario
from ..software.aiosmtpd_server import AiosmtpdServer, Hook
from ..software.exim import Exim
from ..software.opensmtpd import OpenSmtpd
from ..software.postfix import Postfix
from ..software.sendmail import Sendmail
from .real_cast import READER, loses_its_process, serves

STRICT = {
    "smtpd_hard_error_limit": "3",
    "smtpd_error_sleep_time": "0",
    "smtpd_relay_restrictions": "reject_unauth_destination",  # 554; by default it defers
}

# --- they lose patience -------------------------------------------------------------------------------------------------


@scenario(
    "Postfix delivered a message; the client stays, idle, until smtpd_timeout: 421", "idle server fin 421 postfix"
)
def postfix_idle_timeout(lab: Lab) -> None:
    serves(lab, Postfix, settings={"smtpd_timeout": "2s"})
    client = lab.connects()
    speak(client, after="end-of-data", recipient=READER)
    client.hears("421")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "end-of-data", stalled_by="client")


@scenario("The client falls silent behind RCPT, and Postfix loses patience: 421", "rcpt server fin 421 postfix")
def postfix_timeout_after_rcpt(lab: Lab) -> None:
    serves(lab, Postfix, settings={"smtpd_timeout": "2s"})
    client = lab.connects()
    speak(client, after="rcpt", recipient=READER)
    client.hears("421")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "rcpt", stalled_by="client")


@scenario("The client falls silent in mid-message, and Postfix loses patience: 421", "body server fin 421 postfix")
def postfix_timeout_in_body(lab: Lab) -> None:
    serves(lab, Postfix, settings={"smtpd_timeout": "2s"})
    client = lab.connects()
    speak(client, until="body", recipient=READER)
    client.hears("421")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "body", stalled_by="client")


@scenario("The client falls silent behind MAIL, and Exim loses patience: 421", "mail server fin 421 exim")
def exim_timeout_after_mail(lab: Lab) -> None:
    serves(lab, Exim, settings={"smtp_receive_timeout": "2s"})
    client = lab.connects()
    speak(client, after="mail")
    client.hears("421")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "mail", stalled_by="client")


@scenario("The client falls silent in mid-message, and Exim loses patience: 421", "body server fin 421 exim", ipv6=True)
def exim_timeout_in_body(lab: Lab) -> None:
    serves(lab, Exim, settings={"smtp_receive_timeout": "2s"})
    client = lab.connects()
    speak(client, until="body", recipient=READER)
    client.hears("421")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "body", stalled_by="client")


@scenario("The client falls silent behind EHLO, and aiosmtpd closes without a word", "ehlo server fin aiosmtpd")
def aiosmtpd_timeout_after_ehlo(lab: Lab) -> None:
    lab.runs(AiosmtpdServer(host=lab.network.server, settings={"timeout": 2}))
    client = lab.connects()
    speak(client, after="ehlo")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "ehlo", stalled_by="client")


@scenario(
    "The client falls silent in mid-message; sendmail's datablock timeout ends it: 421", "body server fin 421 sendmail"
)
def sendmail_timeout_in_body(lab: Lab) -> None:
    serves(lab, Sendmail, settings={"Timeout.datablock": "2s"})
    client = lab.connects()
    speak(client, until="body", recipient=READER)
    client.hears("421")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "gives up", "body", stalled_by="client")


# --- they refuse --------------------------------------------------------------------------------------------------------


@scenario(
    "Wrong recipients one after the other: Postfix at its error limit says 421 and closes",
    "rcpt server fin 421 postfix",
)
def postfix_error_limit(lab: Lab) -> None:
    serves(lab, Postfix, settings=STRICT)
    client = lab.connects()
    speak(client, after="mail")
    for name in ("huey", "dewey", "louie"):
        client.says(f"RCPT TO:<{name}@elsewhere.example>")
        client.hears("554")
    client.hears("421")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "rcpt")


@scenario(
    "Wrong recipients in one segment: Postfix closes at its error limit, and a command in flight draws a reset",
    "rcpt server fin rst 421 postfix pipelining",
)
def postfix_error_limit_pipelined(lab: Lab) -> None:
    serves(lab, Postfix, settings=STRICT)
    client = lab.connects()
    speak(client, after="mail")
    client.says(*(f"RCPT TO:<{name}@elsewhere.example>" for name in ("huey", "dewey", "louie", "donald")))
    for code in ("554", "554", "554", "421"):
        client.hears(code)
    client.says("RCPT TO:<daisy@elsewhere.example>")
    client.hears_end()
    lab.pauses(0.2)
    lab.shows("client", "tcp.flags.reset == 1 && tcp.srcport == 25")
    lab.did("server", "fin", "close", "rcpt")


@scenario(
    "A web client speaks HTTP to Postfix, which takes no offence: 221, and it closes",
    "greeting server fin http postfix",
)
def postfix_http_request(lab: Lab) -> None:
    serves(lab, Postfix)
    client = lab.connects()
    client.hears("220")
    client.says("GET / HTTP/1.1", "Host: mail.example.net", "")
    client.hears("221")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "greeting")


@scenario("A client speaks before Exim's greeting: 554 synchronization error", "greeting server fin 554 early exim")
def exim_early_talker(lab: Lab) -> None:
    serves(lab, Exim, settings={"pipelining_connect_advertise_hosts": ""})
    client = lab.connects()
    client.says("EHLO mail.example.com")
    client.hears("554")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "greeting")


@scenario(
    "A client speaks into sendmail's greet_pause: 554, and sendmail stays until it says QUIT",
    "quit 554 early sendmail",
)
def sendmail_greet_pause(lab: Lab) -> None:
    serves(lab, Sendmail, greet_pause_ms=1000)
    client = lab.connects()
    client.says("EHLO mail.example.com")
    client.hears("554")
    client.hears("250")
    client.says("QUIT")
    client.hears("221")
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")


@scenario("postscreen drops a client that speaks before the greeting is complete", "greeting server early postfix")
def postscreen_early_talker(lab: Lab) -> None:
    early = {"postscreen_greet_action": "drop", "postscreen_greet_wait": "2s"}
    serves(lab, Postfix, postscreen=True, settings=early)
    client = lab.connects()
    lab.pauses(0.3)
    client.says("EHLO mail.example.com")
    client.hears("521")
    client.hears_end()
    lab.did("server", "rst", "unread", "greeting")


@scenario(
    "A message too big for Postfix, which had not been told its size: 552 to the final dot, QUIT", "quit 552 postfix"
)
def postfix_message_too_big(lab: Lab) -> None:
    serves(lab, Postfix, settings={"message_size_limit": "1000"})
    client = lab.connects()
    speak(client, after="body", recipient=READER)
    client.says(".")
    client.hears("552")
    client.says("QUIT")
    client.hears("221")
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")


@scenario("A client goes on with the message after its DATA was refused; OpenSMTPD ends it", "data server opensmtpd")
def opensmtpd_body_after_refused_data(lab: Lab) -> None:
    serves(lab, OpenSmtpd)
    client = lab.connects()
    speak(client, after="mail")
    client.says("RCPT TO:<nobody@elsewhere.example>")
    client.hears("550")
    client.says("DATA")
    client.hears("503")
    client.sends(b"Subject: nobody asked\r\n\r\nSo this is no message.\r\n", "message")
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "close", "data")


@scenario("A hook of aiosmtpd raises an exception behind the dot: 500, QUIT", "quit 500 aiosmtpd")
def aiosmtpd_exception_at_dot(lab: Lab) -> None:
    lab.runs(AiosmtpdServer(host=lab.network.server, hook=Hook("DATA", "raise")))
    client = lab.connects()
    speak(client, until="end-of-data", recipient=READER)
    client.hears("500")
    client.says("QUIT")
    client.hears("221")
    client.hears_end()
    client.closes()
    lab.did("nobody", "quit", "quit", "quit")


@scenario("aiosmtpd aborts behind the final dot", "end-of-data server rst aiosmtpd", ipv6=True)
def aiosmtpd_aborts_at_dot(lab: Lab) -> None:
    lab.runs(AiosmtpdServer(host=lab.network.server, hook=Hook("DATA", "abort", 0.5)))
    client = lab.connects()
    speak(client, until="end-of-data", recipient=READER)
    client.hears_end()
    lab.did("server", "rst", "abort", "end-of-data")


# --- they lose their process --------------------------------------------------------------------------------------------


@scenario(
    "The smtpd that holds the connection is killed while it considers a recipient", "rcpt server fin killed postfix"
)
def postfix_killed_at_rcpt(lab: Lab) -> None:
    postfix = serves(lab, Postfix, settings={"smtpd_recipient_restrictions": "sleep 9, permit"})
    client = lab.connects()
    speak(client, until="rcpt", recipient=READER)
    lab.pauses(0.5)
    loses_its_process(lab, postfix)
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "killed", "rcpt")


@scenario("The smtpd that holds the connection is killed in mid-message", "body server fin killed postfix")
def postfix_killed_in_body(lab: Lab) -> None:
    postfix = serves(lab, Postfix)
    client = lab.connects()
    speak(client, until="body", recipient=READER)
    lab.pauses(0.5)
    loses_its_process(lab, postfix)
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "killed", "body")


@scenario(
    "Exim scans the message behind the dot; the process that does so is killed", "end-of-data server fin killed exim"
)
def exim_killed_while_it_scans(lab: Lab) -> None:
    exim = serves(lab, Exim, acl={"data": "  warn delay = 9s"})
    client = lab.connects()
    speak(client, until="end-of-data", recipient=READER)
    lab.pauses(0.8)
    loses_its_process(lab, exim)
    client.hears_end()
    client.closes()
    lab.did("server", "fin", "killed", "end-of-data")


@scenario(
    "Exim scans the message behind the dot, QUIT stands unread in its socket, and it is killed: a reset",
    "end-of-data server rst killed exim pipelining",
)
def exim_killed_with_unread_quit(lab: Lab) -> None:
    exim = serves(lab, Exim, acl={"data": "  warn delay = 9s"})
    client = lab.connects()
    speak(client, until="end-of-data", recipient=READER)
    lab.pauses(0.4)
    client.says("QUIT")
    lab.pauses(0.4)
    loses_its_process(lab, exim)
    client.hears_end()
    lab.did("server", "rst", "killed", "end-of-data")


# --- their client goes --------------------------------------------------------------------------------------------------


@scenario("Exim has said 354, and its client closes", "body client fin exim")
def exim_client_closes_behind_go_ahead(lab: Lab) -> None:
    exim = serves(lab, Exim)
    client = lab.connects()
    speak(client, after="data", recipient=READER)
    client.waits(0.3)
    client.closes()
    exim.wait_logged("lost while reading message data")
    lab.did("client", "fin", "close", "body")


@scenario("In mid-message sendmail's client aborts", "body client rst sendmail")
def sendmail_client_aborts_in_body(lab: Lab) -> None:
    serves(lab, Sendmail)
    client = lab.connects()
    speak(client, until="body", recipient=READER)
    client.waits(0.3)
    client.aborts()
    lab.pauses(0.3)
    lab.did("client", "rst", "abort", "body")


@scenario("OpenSMTPD's client is killed between RCPT and DATA", "rcpt client fin killed opensmtpd", ipv6=True)
def opensmtpd_client_killed_after_rcpt(lab: Lab) -> None:
    serves(lab, OpenSmtpd)
    client = lab.connects()
    speak(client, after="rcpt", recipient=READER)
    client.waits(0.3)
    client.is_killed()
    lab.pauses(0.5)
    lab.did("client", "fin", "killed", "rcpt")


@scenario(
    "Postfix takes its time behind the dot; its client gives up, and the late 250 meets a closed socket",
    "end-of-data client fin rst timeout postfix",
)
def postfix_client_gives_up_at_dot(lab: Lab) -> None:
    postfix = serves(lab, Postfix, settings={"smtpd_end_of_data_restrictions": "sleep 3"})
    client = lab.connects()
    speak(client, until="end-of-data", recipient=READER)
    client.waits_in_vain(1.5)
    client.closes()
    postfix.wait_delivered("Minutes")
    lab.shows("server", "tcp.flags == 0x004 && tcp.dstport == 25")
    lab.did("client", "fin", "gives up", "end-of-data", stalled_by="server", delivered=True)
