"""Sentences of findings and verdicts -> the same, part by part.

Our own words stay as they are: a rule that quotes the network marks the part (`pcapdiag.model.Wire`, `Mailbox`,
`Address`).
"""

from __future__ import annotations

from dataclasses import dataclass

from pcapdiag.diagnosis.verdict import Evidence, Finding, Verdict
from pcapdiag.model import Address, Mailbox, Part, Says, Wire
from pcapdiag.pseudonym import Masker


@dataclass(frozen=True, slots=True)
class Sentences:
    """Redacts sentences with the pseudonyms of one session."""

    masker: Masker

    def says(self, says: Says) -> Says:
        """A sentence."""
        return tuple([part if isinstance(part, str) else self._part(part) for part in says])

    def _part(self, part: Part) -> Part:
        match part:
            case Wire(octets):
                return Wire(self.masker.text(octets))
            case Mailbox(octets):
                return Mailbox(self.masker.names.mailbox(octets))
            case Address(text):
                return Address(self.masker.names.address(text))
            case _:
                return part

    def verdict(self, verdict: Verdict, server: str) -> Verdict:
        """A verdict about a session with that server (its address as captured)."""
        return verdict._replace(
            summary=self.says(verdict.summary),
            evidence=self._evidence(verdict.evidence),
            against=self._evidence(verdict.against),
            next_steps=self._steps(verdict.next_steps),
            next_capture=self._command(verdict.next_capture, server),
            findings=self._findings(verdict.findings),
            others=self._findings(verdict.others),
            superseded=self._findings(verdict.superseded),
            why=self.says(verdict.why),
            vantage_evidence=self._evidence(verdict.vantage_evidence),
        )

    def _evidence(self, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return tuple([each._replace(says=self.says(each.says)) for each in evidence])

    def _steps(self, steps: tuple[Says, ...]) -> tuple[Says, ...]:
        return tuple([self.says(step) for step in steps])

    def _findings(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        return tuple(
            [
                finding._replace(
                    summary=self.says(finding.summary),
                    evidence=self._evidence(finding.evidence),
                    against=self._evidence(finding.against),
                    next_steps=self._steps(finding.next_steps),
                )
                for finding in findings
            ]
        )

    def _command(self, command: str | None, server: str) -> str | None:
        """tcpdump's filter names the server. Who runs it on the real network puts the real address there."""
        return (
            None
            if command is None
            else command.replace(f"host {server} ", f"host {self.masker.names.address(server)} ")
        )
