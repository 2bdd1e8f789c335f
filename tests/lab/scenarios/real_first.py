"""Real software at one end, a scripted peer at the other: how such a scenario is written."""

from ..lab import Lab
from ..peers import serve, speak
from ..scenario import scenario
from ..software.mail_system import Endpoint, Message
from ..software.postfix import Postfix
from ..software.smtplib_client import SmtplibClient


@scenario("Postfix serves; a scripted client aborts between RCPT and its reply", "rcpt client rst postfix")
def postfix_client_aborts_at_rcpt(lab: Lab) -> None:
    lab.runs(Postfix(host=lab.network.server, domain="server.example", listen=25))
    client = lab.connects()
    speak(client, until="rcpt", recipient="reader@server.example")
    client.aborts()
    lab.pauses(0.2)
    lab.did("client", "rst", "abort", "rcpt")


@scenario(
    "smtplib delivers to a scripted server, which never answers the final dot; smtplib's timeout ends it",
    "end-of-data client smtplib timeout",
)
def smtplib_gives_up_at_dot(lab: Lab) -> None:
    smtplib = lab.runs(SmtplibClient(host=lab.network.client, timeout_s=2.0))
    lab.real_client_uses(lab.addresses.client_port)
    lab.listens()
    smtplib.send(Message("hello"), Endpoint(lab.server_address))
    server = lab.accepts()
    serve(server, until="end-of-data")
    server.hears_end()
    server.closes()
    lab.did("client", "fin", "gives up", "end-of-data", stalled_by="server", owing="server")
