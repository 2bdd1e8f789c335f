"""Faults that a firewall makes: named, each a few nftables rules on the router.

`toward` says which packets are meant: those on their way to the server, or to the client. The rules stand until the
scenario lifts them.
"""

import subprocess
from typing import Literal

from .journal import Journal
from .network import Host, LabError
from .wire import Toward

Refusal = Literal["reset", "admin-prohibited", "port-unreachable", "host-unreachable", "net-unreachable"]

# nftables knows host and net unreachable under other names for IPv6 (RFC 4443, section 3.1, has one code for both).
ICMP = {
    "admin-prohibited": ("icmp type admin-prohibited", "icmpv6 type admin-prohibited"),
    "port-unreachable": ("icmp type port-unreachable", "icmpv6 type port-unreachable"),
    "host-unreachable": ("icmp type host-unreachable", "icmpv6 type addr-unreachable"),
    "net-unreachable": ("icmp type net-unreachable", "icmpv6 type no-route"),
}

# Only a SYN makes a state; whatever belongs to none is what `then` is about.
STATEFUL = """
table inet states {{
    chain forward {{
        type filter hook forward priority 10;
        ct state established accept
        ct state new tcp flags & (fin|syn|rst|ack) == syn accept
        meta l4proto tcp {verdict}
    }}
}}
"""


class Firewall:
    """The packet filter of the router: it judges what passes."""

    def __init__(self, router: Host, journal: Journal) -> None:
        self._host, self._journal = router, journal

    def rejects(self, by: Refusal, toward: Toward = "server", only: str = "") -> None:
        """Packets are answered, in the name of their destination (a reset) or in the router's own (ICMP)."""
        self._journal.write("firewall", "rejects", by=by, toward=toward, only=only)
        what = f"{self._selects(toward)} meta l4proto tcp {only}"
        if by == "reset":
            self._add(f"{what} reject with tcp reset")
        else:
            four, six = ICMP[by]
            self._add(f"meta nfproto ipv4 {what} reject with {four}", f"meta nfproto ipv6 {what} reject with {six}")

    def drops(self, toward: Toward | None = None, only: str = "") -> None:
        """Packets vanish, in one direction or in both; nobody is told."""
        self._journal.write("firewall", "drops", toward=toward or "both", only=only)
        directions: tuple[Toward, ...] = (toward,) if toward else ("server", "client")
        self._add(*(f"{self._selects(direction)} meta l4proto tcp {only} drop" for direction in directions))

    def loses(self, percent: int, toward: Toward) -> None:
        """Chance decides which packets vanish."""
        self._journal.write("firewall", "loses", percent=percent, toward=toward)
        self._add(f"{self._selects(toward)} meta l4proto tcp numgen random mod 100 < {percent} drop")

    def keeps_states(self, idle_s: int, then: Literal["drop", "reset"]) -> None:
        """A stateful firewall that forgets a connection after so many idle seconds, and then drops or resets its packets."""
        self._journal.write("firewall", "keeps states", idle_s=idle_s, then=then)
        self._load(STATEFUL.format(verdict="drop" if then == "drop" else "reject with tcp reset"))
        self._host.sysctl("netfilter.nf_conntrack_tcp_loose", "0")
        self._host.sysctl("netfilter.nf_conntrack_tcp_timeout_established", str(idle_s))
        # Data that waits for its acknowledgement is no idle connection, yet Linux lets it go by this shorter timer.
        self._host.sysctl("netfilter.nf_conntrack_tcp_timeout_unacknowledged", str(idle_s))

    def has_forgotten(self) -> None:
        """The scenario has waited longer than `idle_s`; from here on the firewall knows no connection."""
        self._journal.write("firewall", "state expires")

    def hides_client(self) -> None:
        """Source NAT: behind the router the client has the router's address."""
        self._journal.write("firewall", "hides client")
        self._load("""
            table inet nat {
                chain out {
                    type nat hook postrouting priority 100;
                    oifname far masquerade
                }
            }""")

    def clamps_mss(self, octets: int) -> None:
        self._journal.write("firewall", "clamps mss", octets=octets)
        self._add(f"tcp flags syn tcp option maxseg size set {octets}")

    def keeps_icmp_to_itself(self) -> None:
        """The router says nothing of packets that are too big: what makes a PMTU black hole (RFC 2923)."""
        self._journal.write("firewall", "keeps icmp to itself")
        self._load("""
            table inet quiet {
                chain out {
                    type filter hook output priority 0;
                    icmp type destination-unreachable drop
                    icmpv6 type packet-too-big drop
                }
            }""")

    def lifts_all(self) -> None:
        self._journal.write("firewall", "lifts all")
        self._load("flush ruleset")

    @staticmethod
    def _selects(toward: Toward) -> str:
        return "iifname near" if toward == "server" else "iifname far"

    def _add(self, *rules: str) -> None:
        lines = ["table inet faults {", "chain forward { type filter hook forward priority 0; }", "}"]
        lines += [f"add rule inet faults forward {rule}" for rule in rules]
        self._load("\n".join(lines))

    def _load(self, text: str) -> None:
        with self._host.inside():
            done = subprocess.run(
                ["nft", "-f", "-"], input=text, capture_output=True, text=True, check=False, timeout=10
            )
        if done.returncode:
            raise LabError(f"nft: {done.stderr.strip()}")
