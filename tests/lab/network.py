"""Three hosts and two cables: network namespaces that the lab makes, and removes however a run ends.

    client ── near cable ── router ── far cable ── server

Both ends of a cable lie in a namespace of their own, where `wire.py` carries the frames from one to the other. Nothing
else joins the namespaces, and none has a way out. Neighbours are known from the start, so no capture begins with ARP.
"""

import contextlib
import ctypes
import fcntl
import itertools
import os
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

CLONE_NEWNET = 0x40000000
SIOCETHTOOL = 0x8946
ETHTOOL_SWITCHES = (0x1F, 0x24, 0x2C, 0x17, 0x15)  # STSO, SGSO, SGRO, STXCSUM, SRXCSUM of linux/ethtool.h
NAMESPACES = Path("/run/netns")
OURS = re.compile(r"pcd-(\d+)-")
PATIENCE_S = 2.0  # for processes to end after SIGTERM

_libc = ctypes.CDLL(None, use_errno=True)
_networks = itertools.count()


class LabError(Exception):
    """Something that the lab needs is missing, or a step of it failed."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Who has which address in one scenario: decided by its name, so that a new recording differs from the last one little."""

    client4: str
    client6: str
    server4: str
    server6: str
    near4: str  # the router, as the client knows it
    near6: str
    far4: str  # the router, as the server knows it
    far6: str
    client_port: int

    @classmethod
    def of(cls, name: str) -> Self:
        """Private addresses for clients, documentation addresses (RFC 5737, RFC 3849) for servers."""
        octets = sha256(name.encode()).digest()
        near = f"10.{octets[0]}.{octets[1]}"
        far = ("192.0.2", "198.51.100", "203.0.113")[octets[2] % 3]
        near6, far6 = f"2001:db8:{octets[3]:x}", f"2001:db8:{0x100 + octets[4]:x}"
        client, server = 10 + octets[5] % 200, 10 + octets[6] % 200
        port = 32768 + int.from_bytes(octets[7:9]) % 28000
        return cls(
            f"{near}.{client}", f"{near6}::{client:x}", f"{far}.{server}", f"{far6}::{server:x}",
            f"{near}.1", f"{near6}::1", f"{far}.1", f"{far6}::1", port,
        )  # fmt: skip


@dataclass(slots=True)
class Host:
    """One namespace with a network stack of its own. Sockets made `inside()` and programs it spawns belong to it."""

    name: str
    address4: str
    address6: str
    namespace: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is in the host's namespace. Sockets stay there after the way back."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(NAMESPACES / self.namespace, "rb") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def spawn(
        self,
        argv: Sequence[str],
        *,
        root: Path | None = None,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """A program on this host, in the directory `root` as its /, its output in `log`. It ends with the network."""
        command = ["chroot", str(root), *argv] if root else list(argv)
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
            stack.enter_context(self.inside())  # a child is born in the namespace of the thread that forks it
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True
            )
        self.processes.append(process)
        return process

    def sysctl(self, key: str, value: str) -> None:
        """Sets, for this host only, a value below net, for instance ipv4.ip_default_ttl."""
        with self.inside():
            Path("/proc/sys/net", *key.split(".")).write_text(value)

    def end_processes(self) -> None:
        """Ends what runs in this namespace: all of it was started by the lab, daemons that left their parent included."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
            until = time.monotonic() + PATIENCE_S
            while time.monotonic() < until and self._pids():
                for process in self.processes:
                    process.poll()  # reaps it
                time.sleep(0.02)
        for process in self.processes:
            process.wait(timeout=PATIENCE_S)

    def _pids(self) -> list[int]:
        listed = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False)
        return [pid for pid in map(int, listed.stdout.split()) if pid != os.getpid() and not _is_zombie(pid)]


class Network:
    """The three hosts, up between `with` and its end. `carrier` is where the cables' ends lie: not a host, no address."""

    def __init__(self, name: str, *, offload: bool = False, mtu: int = 1500) -> None:
        self.addresses = at = Addresses.of(name)
        self._offload = offload
        self._mtu = mtu
        prefix = f"pcd-{os.getpid()}-{next(_networks)}"
        self.client = Host("client", at.client4, at.client6, f"{prefix}-client")
        self.router = Host("router", at.near4, at.near6, f"{prefix}-router")
        self.server = Host("server", at.server4, at.server6, f"{prefix}-server")
        self.carrier = Host("carrier", "", "", f"{prefix}-carrier")

    @property
    def hosts(self) -> tuple[Host, Host, Host]:
        return self.client, self.router, self.server

    def __enter__(self) -> Self:
        remove_left_behind()
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def limits_far_side(self, octets: int) -> None:
        """The router's MTU toward the server."""
        _ip("-n", self.router.namespace, "link", "set", "far", "mtu", str(octets))

    def _build(self) -> None:
        for host in (*self.hosts, self.carrier):
            _ip("netns", "add", host.namespace)
        self.carrier.sysctl("ipv6.conf.all.disable_ipv6", "1")
        self.carrier.sysctl("ipv6.conf.default.disable_ipv6", "1")
        for host in self.hosts:
            self._quiet(host)
        for key in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            self.router.sysctl(key, "1")
        at = self.addresses
        macs = {end: _mac(at, end) for end in ("client", "near", "far", "server")}
        self._plug(self.client, "eth0", "client", macs["client"], f"{at.client4}/24 {at.client6}/64")
        self._plug(self.router, "near", "near", macs["near"], f"{at.near4}/24 {at.near6}/64")
        self._plug(self.router, "far", "far", macs["far"], f"{at.far4}/24 {at.far6}/64")
        self._plug(self.server, "eth0", "server", macs["server"], f"{at.server4}/24 {at.server6}/64")
        self._introduce(self.client, "eth0", macs["near"], (at.near4, at.near6), via=(at.near4, at.near6))
        self._introduce(self.router, "near", macs["client"], (at.client4, at.client6))
        self._introduce(self.router, "far", macs["server"], (at.server4, at.server6))
        self._introduce(self.server, "eth0", macs["far"], (at.far4, at.far6), via=(at.far4, at.far6))

    def _quiet(self, host: Host) -> None:
        """No duplicate address detection, no router solicitation: captures hold what the peers said."""
        for scope in ("all", "default"):
            for key, value in (
                ("accept_dad", "0"),
                ("accept_ra", "0"),
                ("router_solicitations", "0"),
                ("addr_gen_mode", "1"),
            ):
                host.sysctl(f"ipv6.conf.{scope}.{key}", value)

    def _plug(self, host: Host, device: str, end: str, mac: str, addresses: str) -> None:
        """One cable end: the device on the host, its far side (named `end`) with the carrier."""
        lines = [
            f"link add {device} address {mac} mtu {self._mtu} type veth peer name {end} netns {self.carrier.namespace}"
        ]
        lines += [f"address add {address} dev {device}" for address in addresses.split()]
        _ip("-n", host.namespace, "-batch", "-", lines=[*lines, f"link set {device} up", "link set lo up"])
        _ip("-n", self.carrier.namespace, "link", "set", end, "mtu", str(self._mtu), "up")
        if not self._offload:
            for where, name in ((host, device), (self.carrier, end)):
                with where.inside():
                    turn_off_offload(name)

    def _introduce(
        self, host: Host, device: str, mac: str, neighbours: Sequence[str], via: tuple[str, str] | None = None
    ) -> None:
        lines = [f"neighbour replace {address} lladdr {mac} dev {device} nud permanent" for address in neighbours]
        if via:
            lines += [f"route add default via {via[0]} dev {device}", f"route add ::/0 via {via[1]} dev {device}"]
        _ip("-n", host.namespace, "-batch", "-", lines=lines)

    def _remove(self) -> None:
        for host in (*self.hosts, self.carrier):
            if (NAMESPACES / host.namespace).exists():
                host.end_processes()
                _ip("netns", "delete", host.namespace)


def remove_left_behind() -> None:
    """Namespaces of runs that were killed: their names say which process made them, and it is no more."""
    for path in NAMESPACES.glob("pcd-*"):
        owner = OURS.match(path.name)
        if owner and not Path("/proc", owner[1]).exists():
            host = Host("", "", "", path.name)
            host.end_processes()
            subprocess.run(["ip", "netns", "delete", path.name], capture_output=True, check=False)


def turn_off_offload(device: str) -> None:
    """Checksums and segments are made by the host, and stand in its captures as on a real cable."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in ETHTOOL_SWITCHES:
            value = ctypes.create_string_buffer(struct.pack("=II", command, 0))
            request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
            fcntl.ioctl(any_socket, SIOCETHTOOL, request)


def _mac(addresses: Addresses, end: str) -> str:
    """A locally administered address (second digit 2), the same each time."""
    return "02:" + sha256(f"{addresses.client6} {end}".encode()).digest()[:5].hex(":")


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET):
        raise LabError(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}")


def _ip(*arguments: str, lines: Sequence[str] = ()) -> None:
    done = subprocess.run(
        ["ip", *arguments], input="\n".join(lines), capture_output=True, text=True, check=False, timeout=20
    )
    if done.returncode:
        raise LabError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _is_zombie(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
