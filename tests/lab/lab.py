"""What a story is told with: three hosts, two cables, a firewall, a forger, captures, peers, and a journal of it all."""

import contextlib
import socket
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from .capture import Captures, Place
from .deed import Deed, Facts, Session
from .firewall import Firewall
from .forge import Forger
from .journal import Journal
from .network import Host, LabError, Network
from .peers import Authority, Peer, reach, settle
from .peers.conversation import Step
from .scenario import Scenario
from .wire import Cable

T = TypeVar("T")
SMTP = 25
PATIENCE_S = 6.0
NEAR_DELAY_S, FAR_DELAY_S = 0.004, 0.009  # each way, so a round trip takes 26 ms and a little
KEY_LOG = "keys.txt"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a capture must show, or the scenario did not happen as intended: so many frames for a display filter."""

    place: Place
    display_filter: str
    at_least: int = 1
    at_most: int | None = None


class Lab:
    """One scenario's lab, up between `with` and its end."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self.scenario, self.directory = scenario, directory
        self.journal = Journal()
        self.network = Network(scenario.name, offload=scenario.offload, mtu=scenario.mtu)
        self.addresses = self.network.addresses
        near_hops, far_hops = hops_of(scenario.name)
        self.near = self._cable("near", ("client", "near"), NEAR_DELAY_S, near_hops)
        self.far = self._cable("far", ("far", "server"), FAR_DELAY_S, far_hops)
        self.firewall = Firewall(self.network.router, self.journal)
        self.tls = Authority(directory / KEY_LOG)
        hosts: dict[Place, Host] = {
            "client": self.network.client,
            "middle": self.network.router,
            "server": self.network.server,
        }
        self.captures = Captures(hosts, dict(scenario.shots), directory)
        self.sessions: list[Session] = []
        self.sights: list[Sight] = []
        self._stack = contextlib.ExitStack()
        self._listeners: dict[int, socket.socket] = {}

    def __enter__(self) -> Self:
        with self._stack:
            self._stack.enter_context(self.network)
            self._stack.enter_context(self.near)
            self._stack.enter_context(self.far)
            self.forger = self._stack.enter_context(Forger(self.network.router, self.journal))
            self._stack.enter_context(self.captures.running(late=self.scenario.late))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    # --- connections --------------------------------------------------------------------------------------------------

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if self.scenario.ipv6 else socket.AF_INET

    @property
    def client_address(self) -> str:
        return self.addresses.client6 if self.scenario.ipv6 else self.addresses.client4

    @property
    def server_address(self) -> str:
        return self.addresses.server6 if self.scenario.ipv6 else self.addresses.server4

    def listens(self, port: int = SMTP, *, backlog: int = 16, receive_buffer: int = 0) -> socket.socket:
        """The scripted server's listening socket. A small `receive_buffer` makes a window that can be filled."""
        if port not in self._listeners:
            with self.network.server.inside():
                listener = socket.socket(self.family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if receive_buffer:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            listener.bind((self.server_address, port))
            listener.listen(backlog)
            listener.settimeout(PATIENCE_S)
            self.journal.write("server", "listens", port=port)
            self._listeners[port] = self._stack.enter_context(listener)
        return self._listeners[port]

    def session(
        self, port: int = SMTP, *, client_port: int | None = None, receive_buffer: int = 0
    ) -> tuple[Peer, Peer]:
        """A connection between a scripted client and a scripted server; nothing has been said."""
        listener = self.listens(port, receive_buffer=receive_buffer)
        index, end = self.begins_session(port, client_port)
        self._connect(end, index, port, PATIENCE_S, must=True)
        return self._peer("client", end, index), self.accepts(port, index, listener)

    def connects(self, port: int = SMTP, *, client_port: int | None = None, within: float = PATIENCE_S) -> Peer:
        """A scripted client at whatever listens there: real software, or a server that the story accepts later."""
        index, end = self.begins_session(port, client_port)
        self._connect(end, index, port, within, must=True)
        return self._peer("client", end, index)

    def accepts(self, port: int = SMTP, session: int | None = None, listener: socket.socket | None = None) -> Peer:
        """A scripted server's end of a connection, made by the client of that session or by real software (a new session)."""
        end, peer = (listener or self.listens(port)).accept()
        if session is None:
            session = self.expects_session(peer[1], port, client=peer[0])
        self.journal.write("server", "accepts", session=session, client=f"{peer[0]}:{peer[1]}", port=port)
        if peer[:2] != self.sessions[session].client:
            self.sessions[session].client_at["server"] = peer[0], peer[1]  # NAT
        return self._peer("server", end, session)

    def fails_to_connect(self, port: int = SMTP, within: float = PATIENCE_S) -> str:
        """The client tries; the scenario says in its truth what came of it. Returns refused, unreachable or silence."""
        index, end = self.begins_session(port)
        return self._connect(end, index, port, within, must=False)

    def talk(
        self, until: Step | None = None, after: Step | None = None, *, port: int = SMTP, settled: bool = True
    ) -> tuple[Peer, Peer]:
        """A session in which the delivery has come so far (see peers.reach), and all of it is acknowledged."""
        client, server = self.session(port)
        reach(client, server, until=until, after=after)
        if settled:
            settle(client, server)
        return client, server

    def begins_session(self, port: int = SMTP, client_port: int | None = None) -> tuple[int, socket.socket]:
        """A client's socket, bound to the port that the truth names."""
        chosen = client_port or self.addresses.client_port + len(self.sessions)
        with self.network.client.inside():
            end = socket.socket(self.family)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.bind((self.client_address, chosen))
        self._stack.callback(end.close)
        return self.expects_session(chosen, port), end

    def expects_session(self, client_port: int, port: int = SMTP, client: str | None = None) -> int:
        """A connection of real software that the truth will tell of; returns its number."""
        self.sessions.append(Session((client or self.client_address, client_port), (self.server_address, port)))
        return len(self.sessions) - 1

    def real_client_uses(self, *ports: int) -> None:
        """Real clients choose their port themselves: this leaves them no other choice."""
        self.network.client.sysctl("ipv4.ip_local_port_range", f"{min(ports)} {max(ports)}")

    def _connect(self, end: socket.socket, index: int, port: int, within: float, must: bool) -> str:
        end.settimeout(within)
        outcome = "connected"
        try:
            end.connect((self.server_address, port))
        except ConnectionRefusedError:
            outcome = "refused"
        except TimeoutError:
            outcome = "silence"
        except OSError as error:
            outcome = f"unreachable: {error.strerror}"
        self.journal.write("client", "connects", session=index, outcome=outcome, port=port)
        if must != (outcome == "connected"):
            raise LabError(f"the client was {'' if must else 'not '}to connect, and it was {outcome}")
        if not must:
            end.close()
        return outcome

    def _peer(self, name: str, end: socket.socket, index: int) -> Peer:
        self._stack.callback(end.close)
        end.settimeout(PATIENCE_S)
        return Peer("client" if name == "client" else "server", end, self.journal, index)

    def tell(self) -> None:
        """The story, and the end of the captures: before the lab itself takes the hosts apart."""
        self.scenario.story(self)
        self.captures.stop()

    # --- the truth ----------------------------------------------------------------------------------------------------

    def did(self, by: str, how: str, means: str, stage: str, *, session: int = -1, **facts: Facts) -> None:
        """What was done in this scenario, said by who did it; record.py holds it against the journal."""
        self.sessions[session].deed = Deed.declared(by, how, means, stage, **facts)
        self.journal.write("lab", "did", session=session % len(self.sessions), by=by, how=how, means=means, stage=stage)

    def shows(self, place: Place, display_filter: str, at_least: int = 1, at_most: int | None = None) -> None:
        self.sights.append(Sight(place, display_filter, at_least, at_most))

    def runs(self, program: AbstractContextManager[T]) -> T:
        """Real software, or whatever else has a beginning and an end: it ends with the lab."""
        return self._stack.enter_context(program)

    def pauses(self, seconds: float) -> None:
        time.sleep(seconds)

    def path_narrows(self, octets: int, silently: bool) -> None:
        """Behind the router only packets up to this size pass. Silently: and the router says nothing of it (RFC 2923)."""
        if silently:
            self.firewall.keeps_icmp_to_itself()
        self.network.limits_far_side(octets)
        self.journal.write("router", "narrows", octets=octets, silently=silently)

    def starts_capture(self, place: Place) -> None:
        """For a place that the scenario declares `late`."""
        self.captures.start(place)
        self.journal.write("lab", "capture starts late", place=place)

    def stops_capture(self, place: Place) -> None:
        self.captures.stop(place)
        self.journal.write("lab", "capture stops", place=place)

    def power_fails(self, host: Place) -> None:
        """The host is gone, its own capture with it: nothing is told to anybody."""
        self.captures.stop(host)
        {"client": self.near, "server": self.far}[host].dies()
        self.journal.write(host, "loses power")

    def _cable(self, name: str, ends: tuple[str, str], delay_s: float, hops: int) -> Cable:
        return Cable(name, self.network.carrier, ends, self.journal, delay_s=delay_s, hops=hops)


def hops_of(name: str) -> tuple[int, int]:
    """Between two and eight routers on each cable, and never as many on both sides of the middle: TTLs tell who is who."""
    octets = sha256(f"{name} hops".encode()).digest()
    near, far = 2 + octets[0] % 6, 2 + octets[1] % 6
    return near, far + (near == far + 1)  # the router itself is one more hop for what comes from the server
