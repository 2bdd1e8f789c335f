"""Each mail software delivers a message over the lab's cables, and each of its misbehaviours shows on the wire."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.capture import Captures, Shot
from tests.lab.journal import Journal
from tests.lab.network import Host, LabError, Network
from tests.lab.software import roots
from tests.lab.software.aiosmtpd_server import AiosmtpdServer, Hook
from tests.lab.software.exim import Exim
from tests.lab.software.mail_system import Certificate, Endpoint, MailSystem, Message
from tests.lab.software.opensmtpd import OpenSmtpd
from tests.lab.software.postfix import Postfix
from tests.lab.software.sendmail import Sendmail
from tests.lab.software.smtplib_client import SmtplibClient
from tests.lab.software.swaks import Swaks
from tests.lab.wire import Cable

NEEDED = ("ip", "tcpdump", "tshark", *roots.NEEDED)
MISSING = [name for name in NEEDED if not shutil.which(name)]
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
    pytest.mark.skipif(bool(MISSING), reason=f"the lab needs {', '.join(MISSING)}"),
]

HELLO = Message("hello")
CLIENT, SERVER = "client.example", "server.example"


@dataclass
class Wire:
    """Two hosts, and what was said between them."""

    client: Host
    server: Host
    captures: Captures

    @property
    def to(self) -> Endpoint:
        return Endpoint(self.server.address4)

    def shows(self, display_filter: str) -> int:
        """How many frames of the client's capture match; the capture ends with the first question."""
        self.captures.stop()
        command = ["tshark", "-n", "-r", str(self.captures.all["client"].path), "-Y", display_filter]
        return len(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())

    def from_server(self, display_filter: str) -> int:
        return self.shows(f"tcp.srcport == 25 && {display_filter}")

    def from_client(self, display_filter: str) -> int:
        return self.shows(f"tcp.dstport == 25 && {display_filter}")


@pytest.fixture
def wire(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Wire]:
    journal = Journal()
    with Network(request.node.name) as network:
        near = Cable("near", network.carrier, ("client", "near"), journal, delay_s=0.002, hops=1)
        far = Cable("far", network.carrier, ("far", "server"), journal, delay_s=0.003, hops=1)
        captures = Captures({"client": network.client}, {"client": Shot("eth0")}, tmp_path)
        with near, far, captures.running():
            yield Wire(network.client, network.server, captures)


PAIRS = [(Postfix, Exim), (Exim, OpenSmtpd), (OpenSmtpd, Sendmail), (Sendmail, Postfix)]


@pytest.mark.parametrize(("server_kind", "client_kind"), PAIRS)
def test_delivery(wire: Wire, server_kind: type[MailSystem], client_kind: type[MailSystem]) -> None:
    with (
        server_kind(host=wire.server, domain=SERVER, listen=25) as server,
        client_kind(host=wire.client, domain=CLIENT, relay=wire.to) as client,
    ):
        client.send(HELLO)
        server.wait_delivered("hello")
        client.wait_idle()
    assert wire.from_client('smtp.req.command == "EHLO"') == 1
    assert wire.from_server('smtp contains "queued as" or smtp contains "OK id=" or smtp contains "accepted"') == 1


@pytest.mark.parametrize("kind", [Postfix, Exim, OpenSmtpd, Sendmail])
def test_ipv6_and_any_port(wire: Wire, kind: type[MailSystem]) -> None:
    relay = Endpoint(wire.server.address6, 2525)
    with (
        kind(host=wire.server, domain=SERVER, listen=relay.port) as server,
        kind(host=wire.client, domain=CLIENT, relay=relay) as client,
    ):
        client.send(HELLO)
        server.wait_delivered("hello")
    assert wire.shows("ipv6 && tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.dstport == 2525") == 1


@pytest.mark.parametrize(
    ("server_kind", "client_kind"), [(Postfix, OpenSmtpd), (Exim, Sendmail), (Sendmail, Exim), (Exim, Postfix)]
)
def test_delivery_with_tls(wire: Wire, server_kind: type[MailSystem], client_kind: type[MailSystem]) -> None:
    certificate = Certificate.issue("relay.example")
    with (
        server_kind(host=wire.server, domain=SERVER, listen=25, certificate=certificate) as server,
        client_kind(host=wire.client, domain=CLIENT, relay=wire.to, trusts=certificate.authority) as client,
    ):
        client.send(HELLO)
        server.wait_delivered("hello")
    assert wire.shows("tls.handshake.type == 2") == 1
    assert wire.shows('smtp.req.command == "MAIL"') == 0


@pytest.mark.parametrize("kind", [Postfix, Exim, OpenSmtpd])
def test_a_certificate_of_another_authority_is_refused(wire: Wire, kind: type[MailSystem]) -> None:
    certificate, other = Certificate.issue("relay.example"), Certificate.issue("relay.example")
    with (
        Postfix(host=wire.server, domain=SERVER, listen=25, certificate=certificate) as server,
        kind(host=wire.client, domain=CLIENT, relay=wire.to, trusts=other.authority) as client,
    ):
        client.send(HELLO)
        server.wait_logged("disconnect from")
        assert client.queue()
        assert not server.delivered("hello")


def test_swaks_and_smtplib_over_ipv6_on_any_port(wire: Wire) -> None:
    with (
        AiosmtpdServer(host=wire.server, listen=2525) as server,
        Swaks(host=wire.client) as swaks,
        SmtplibClient(host=wire.client) as smtplib,
    ):
        to = Endpoint(wire.server.address6, 2525)
        assert swaks.send(Message("from swaks"), to).wait() == 0
        assert smtplib.send(Message("from smtplib"), to).wait() == 0
        assert server.delivered("from swaks")
        assert server.delivered("from smtplib")
    assert wire.shows("ipv6 && tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.dstport == 2525") == 2


def test_swaks_and_smtplib_with_tls(wire: Wire) -> None:
    certificate = Certificate.issue(SERVER)
    with (
        AiosmtpdServer(host=wire.server, certificate=certificate) as server,
        Swaks(host=wire.client, trusts=certificate.authority) as swaks,
        SmtplibClient(host=wire.client, trusts=certificate.authority) as smtplib,
    ):
        assert swaks.send(Message("from swaks"), wire.to).wait() == 0
        assert smtplib.send(Message("from smtplib"), wire.to).wait() == 0
        assert len(server.inbox()) == 2
    assert wire.shows("tls.handshake.type == 2") == 2


@pytest.mark.parametrize(
    ("hook", "seen"),
    [
        (Hook("MAIL", "raise"), "smtp.response.code == 500"),
        (Hook("RCPT", "close"), "tcp.flags.fin == 1"),
        (Hook("DATA", "abort"), "tcp.flags.reset == 1"),
        (Hook("STORED", "exit"), "tcp.flags.fin == 1"),
    ],
    ids=str,
)
def test_hooks_of_aiosmtpd(wire: Wire, hook: Hook, seen: str) -> None:
    with AiosmtpdServer(host=wire.server, hook=hook) as server, SmtplibClient(host=wire.client) as client:
        assert client.send(HELLO, wire.to).wait() == 1
        assert server.delivered("hello") == (hook.at == "STORED")
    assert wire.from_server(f"({seen})") >= 1


@pytest.mark.parametrize("end", ["quit", "close", "exit"])
def test_ends_of_smtplib(wire: Wire, end: str) -> None:
    with AiosmtpdServer(host=wire.server), SmtplibClient(host=wire.client) as client:
        assert client.send(HELLO, wire.to, end=end).wait() == 0  # type: ignore[arg-type]
    assert wire.from_client('lower(smtp.req.command) == "quit"') == (end == "quit")
    assert wire.from_client("tcp.flags.fin == 1") == 1


def test_postfix_loses_patience_and_a_storm_of_retries_follows(wire: Wire) -> None:
    impatient = {"smtp_data_done_timeout": "1s"}
    with (
        AiosmtpdServer(host=wire.server, hook=Hook("DATA", "delay", 3)),
        Postfix(host=wire.client, domain=CLIENT, relay=wire.to, settings=impatient) as client,
    ):
        client.send(HELLO)
        client.wait_logged("timed out while sending end of data")
        for _ in range(2):
            client.flush()
            time.sleep(1.5)
        assert len(client.queue()) == 1
    assert wire.from_client("tcp.flags.syn == 1") >= 3
    assert wire.from_client('smtp.req.command == "QUIT"') == 0


@pytest.mark.parametrize("kind", [Postfix, Exim, OpenSmtpd, Sendmail])
def test_flush_retries_at_once(wire: Wire, kind: type[MailSystem]) -> None:
    with (
        AiosmtpdServer(host=wire.server, hook=Hook("DATA", "close")) as server,
        kind(host=wire.client, domain=CLIENT, relay=wire.to) as client,
    ):
        client.send(HELLO)
        for times in range(1, 4):
            server.wait_logged("DATA: close", times)
            client.flush()
        assert client.queue()
    assert wire.from_client("tcp.flags.syn == 1") >= 3


def test_exim_as_client_loses_patience(wire: Wire) -> None:
    with (
        AiosmtpdServer(host=wire.server, hook=Hook("DATA", "delay", 3)),
        Exim(host=wire.client, domain=CLIENT, relay=wire.to, transport={"final_timeout": "1s"}) as client,
    ):
        client.send(HELLO)
        client.wait_logged("timeout after end of data")
        assert client.queue()
    assert wire.from_client("tcp.flags.fin == 1") == 1


@pytest.mark.parametrize(
    ("server_kind", "settings", "words"),
    [
        (Postfix, {"smtpd_timeout": "1s"}, 1),
        (Exim, {"smtp_receive_timeout": "1s"}, 1),
        (Sendmail, {"Timeout.command": "1s"}, 0),  # it goes without a word
    ],
)
def test_server_loses_patience(wire: Wire, server_kind: type[MailSystem], settings: dict[str, str], words: int) -> None:
    with (
        server_kind(host=wire.server, domain=SERVER, listen=25, settings=settings),
        SmtplibClient(host=wire.client) as client,
    ):
        client.send(HELLO, wire.to, pause_s=2.5).wait()
    assert wire.from_server("smtp.response.code == 421") == words
    assert wire.from_server("tcp.flags.fin == 1") == 1


def test_error_limit_of_postfix(wire: Wire) -> None:
    strict = {"smtpd_hard_error_limit": "1", "smtpd_recipient_restrictions": "reject"}
    with Postfix(host=wire.server, domain=SERVER, listen=25, settings=strict), Swaks(host=wire.client) as client:
        assert client.send(HELLO, wire.to).wait() != 0
    assert wire.from_server('smtp contains "421 4.7.0"') == 1


def test_postscreen(wire: Wire) -> None:
    early = {"postscreen_greet_action": "drop", "postscreen_greet_wait": "1s"}
    with (
        Postfix(host=wire.server, domain=SERVER, listen=25, postscreen=True, settings=early) as server,
        Swaks(host=wire.client) as client,
    ):
        with wire.client.inside(), socket.create_connection(wire.to, timeout=5) as impatient:
            impatient.sendall(b"EHLO client.example\r\n")
            server.wait_logged("PREGREET")
        assert client.send(HELLO, wire.to).wait() == 0
        server.wait_delivered("hello")
    assert wire.from_server("tcp.flags.reset == 1 || tcp.flags.fin == 1") >= 1


def test_lmtp(wire: Wire) -> None:
    with (
        AiosmtpdServer(host=wire.server, protocol="lmtp") as server,
        Postfix(host=wire.client, domain=CLIENT, relay=wire.to, protocol="lmtp") as client,
    ):
        client.send(HELLO)
        client.wait_logged("status=sent")
        assert server.delivered("hello")
    assert wire.from_client('smtp contains "LHLO"') == 1


def test_a_delivery_that_fails(wire: Wire) -> None:
    with (
        Postfix(host=wire.server, domain=SERVER, listen=25, delivery_fails=True) as server,
        Exim(host=wire.client, domain=CLIENT, relay=wire.to) as client,
    ):
        client.send(HELLO)
        server.wait_logged("status=bounced")
        assert not server.delivered("hello")


def test_delay_in_an_acl_of_exim(wire: Wire) -> None:
    with (
        Exim(host=wire.server, domain=SERVER, listen=25, acl={"data": "  warn delay = 3s"}),
        SmtplibClient(host=wire.client, timeout_s=1) as client,
    ):
        assert client.send(HELLO, wire.to).wait() == 1
    assert wire.from_client("tcp.flags.fin == 1 || tcp.flags.reset == 1") >= 1


def test_exim_rejects_early_talkers_without_pipelined_connect(wire: Wire) -> None:
    strict = {"pipelining_connect_advertise_hosts": ""}
    with (
        Exim(host=wire.server, domain=SERVER, listen=25, settings=strict) as server,
        wire.client.inside(),
        socket.create_connection(wire.to, timeout=5) as impatient,
    ):
        impatient.sendall(b"EHLO client.example\r\n")
        server.wait_logged("synchronization error")
        impatient.recv(100)
    assert wire.from_server("smtp.response.code == 554") == 1


def test_greet_pause_of_sendmail(wire: Wire) -> None:
    with (
        Sendmail(host=wire.server, domain=SERVER, listen=25, greet_pause_ms=1000),
        SmtplibClient(host=wire.client) as client,
    ):
        began = time.monotonic()
        assert client.send(HELLO, wire.to).wait() == 0
        assert time.monotonic() - began > 1


def test_opensmtpd_breaks_off_handshakes(wire: Wire) -> None:
    certificate = Certificate.issue("relay.example")
    with (
        OpenSmtpd(host=wire.server, domain=SERVER, listen=25, certificate=certificate) as server,
        Exim(host=wire.client, domain=CLIENT, relay=wire.to, trusts=certificate.authority) as client,
    ):
        client.send(HELLO)
        server.wait_logged("io-error")
        assert client.queue()


@pytest.mark.parametrize("kind", [Postfix, Exim, OpenSmtpd, Sendmail])
def test_killed_servers_leave_nothing(wire: Wire, kind: type[MailSystem]) -> None:
    with (
        kind(host=wire.server, domain=SERVER, listen=25) as server,
        SmtplibClient(host=wire.client, timeout_s=5) as client,
    ):
        session = client.send(HELLO, wire.to, pause_s=1)
        server.wait_delivered("hello")
        server.kill()
        assert server.root.processes() == []
        assert session.wait() == 1
    assert wire.from_server("tcp.flags.fin == 1 || tcp.flags.reset == 1") >= 1


def test_what_is_wrong_is_said_at_once(wire: Wire) -> None:
    began = time.monotonic()
    with pytest.raises(LabError, match="ended at once"):
        OpenSmtpd(host=wire.server, domain=SERVER, listen=25, settings={"no such": "setting"}).__enter__()
    assert time.monotonic() - began < 10


def test_roots_leave_the_machine_as_it_was(tmp_path: Path) -> None:
    before = Path("/etc/passwd").read_text(), Path("/proc/self/mountinfo").read_text()
    with roots.Root(Postfix.recipe) as root:
        assert root.run(["id", "-u", "postfix"]).strip() == str(Postfix.recipe.identity("postfix"))
        root.write("/etc/written", "here")
        held = root.path
    assert roots.versions(Postfix.recipe)["postfix"]
    assert not held.exists()
    assert not Path("/etc/written").exists()
    assert (Path("/etc/passwd").read_text(), Path("/proc/self/mountinfo").read_text()) == before


def test_without_root_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root"):
        roots.build.__wrapped__(Postfix.recipe)


def test_a_package_that_apt_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="no-such-mail-software"):
        roots.build.__wrapped__(roots.Recipe("none", ("no-such-mail-software",)))
