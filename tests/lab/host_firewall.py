"""The packet filter of an end host: what comes in is refused in the host's own name, though its program still listens."""

from .firewall import ICMP, Firewall, Refusal


class HostFirewall(Firewall):
    """On the server or the client. What it refuses its own capture still shows: tcpdump stands before the filter."""

    def refuses(self, by: Refusal) -> None:
        """Every TCP segment that comes in from now on."""
        self._journal.write("firewall", "rejects", by=by, host=self._host.name)
        if by == "reset":
            rules = ["meta l4proto tcp reject with tcp reset"]
        else:
            four, six = ICMP[by]
            rules = [
                f"meta nfproto ipv4 meta l4proto tcp reject with {four}",
                f"meta nfproto ipv6 meta l4proto tcp reject with {six}",
            ]
        self._judges(*rules)

    def swallows(self) -> None:
        """Every TCP segment that comes in from now on, and nobody is told."""
        self._journal.write("firewall", "drops", host=self._host.name, toward=self._host.name)
        self._judges("meta l4proto tcp drop")

    def _judges(self, *rules: str) -> None:
        body = "\n".join(rules)
        self._load(f"table inet own {{\nchain input {{\ntype filter hook input priority 0;\n{body}\n}}\n}}")
