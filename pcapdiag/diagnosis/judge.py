"""All claims about a session become one verdict.

Every rule is asked. A specific rule supersedes the general ones it names; of what is left the strongest claim is
chosen. Where two equally strong claims name different parties nobody is named: an honest "undetermined" beats a
confident accusation.
"""

from __future__ import annotations

from pcapdiag.diagnosis.advice import next_capture
from pcapdiag.diagnosis.doubts import doubt_about, quit_may_be_hidden
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.impact import impact_of
from pcapdiag.diagnosis.matters import matters_of
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import rules_for, superseded_by
from pcapdiag.diagnosis.rules.undetermined import undetermined
from pcapdiag.diagnosis.verdict import Evidence, Finding, Verdict
from pcapdiag.diagnosis.words import PARTY_WORDS
from pcapdiag.model import How, Party, Says, Side, Strength
from pcapdiag.session import Session, Surroundings

SILENT_NS = 60_000_000_000

# Looked up once: members of an enumeration are slow to reach.
NOBODY, CLIENT, SERVER = Party.NOBODY, Party.CLIENT, Party.SERVER
QUIT, FIN, OPEN = How.QUIT, How.FIN, How.OPEN
PROVEN, LIKELY, POSSIBLE = Strength.PROVEN, Strength.LIKELY, Strength.POSSIBLE

RANK = {PROVEN: 3, LIKELY: 2, POSSIBLE: 1, None: 0}


def judge(session: Session, around: Surroundings) -> Verdict:
    """The verdict about one session, from frames up to its end."""
    see = Observation(session, around)
    rules = rules_for(see.ending.kind, matters_of(session, around, see.refusals))
    findings = [rule.finding(claim) for rule in rules for claim in rule.check(see)]
    claims = [finding for finding in findings if finding.party is not None]
    context = tuple(finding for finding in findings if finding.party is None)
    left, superseded = _supersede(claims)
    chosen, others, why = _choose(left)
    finding = _tempered(see, chosen or _nothing(see, others))
    return _verdict(see, finding, others=others, superseded=superseded, context=context, why=why)


def _supersede(claims: list[Finding]) -> tuple[list[Finding], tuple[Finding, ...]]:
    if len(claims) < 2:
        return claims, ()
    beaten = {general for claim in claims for general in superseded_by(claim.rule)}
    left = [claim for claim in claims if claim.rule not in beaten]
    return left, tuple(claim for claim in claims if claim.rule in beaten)


def _choose(left: list[Finding]) -> tuple[Finding | None, tuple[Finding, ...], Says]:
    if not left:
        return None, (), ("no rule recognised how this session ended",)
    if len(left) == 1:
        return left[0], (), (f"{left[0].rule}: the only rule that fits",)
    best = max(RANK[claim.strength] for claim in left)
    top = [claim for claim in left if RANK[claim.strength] == best]
    if len({claim.party for claim in top}) > 1:
        names = " and ".join(sorted(PARTY_WORDS[claim.party] for claim in top if claim.party is not None))
        return None, tuple(left), (f"equally strong claims name {names}",)
    others = tuple(claim for claim in left if claim is not top[0])
    return top[0], others, (f"{top[0].rule}: the strongest claim",)


def _nothing(see: Observation, others: tuple[Finding, ...]) -> Finding:
    """The finding that names nobody."""
    parties = tuple(dict.fromkeys(claim.party for claim in others if claim.party is not None))
    if others:
        says = "Nobody can be named: the signs contradict one another"
    elif see.ending.kind is Kind.CONNECT:
        says = "Nobody can be named: the capture ends while the client was connecting"
    else:
        says = "Nobody can be named: no rule recognised how this session ended"
    return Finding(
        undetermined.id,
        undetermined.title,
        (says,),
        (Evidence(("the last frame of the session",), (see.connection.last,)),),
        tuple(Evidence(claim.summary, (claim.end,) if claim.end else ()) for claim in others),
        party=Party.UNDETERMINED,
        how=others[0].how if others else OPEN,
        could_also_be=parties,
        end=see.ending.at,
    )


def _taken_back(finding: Finding) -> Finding:
    """A close that is more likely than not the end of an orderly session is held against nobody."""
    says = "the client's last octets were cut off, and so was what the server answered: QUIT and 221 may be among them"
    could = (NOBODY, finding.party, *finding.could_also_be)
    return Finding(
        undetermined.id,
        undetermined.title,
        ("Nobody can be named: ", says),
        finding.evidence,
        (*finding.against, Evidence((says,))),
        party=Party.UNDETERMINED,
        how=finding.how,
        could_also_be=tuple(dict.fromkeys(each for each in could if each is not None)),
        end=finding.end,
    )


def _tempered(see: Observation, finding: Finding) -> Finding:
    """Lower a claim about somebody by one step, or take it back, when the capture itself is suspect."""
    if finding.how is FIN and finding.party in (CLIENT, SERVER) and quit_may_be_hidden(see):
        return _taken_back(finding)
    doubt = doubt_about(see, finding.party) if finding.strength in (PROVEN, LIKELY) else None
    if doubt is None:
        return finding
    lower = LIKELY if finding.strength is PROVEN else POSSIBLE
    if lower is POSSIBLE and (finding.party is NOBODY or not doubt.lowers):
        return finding
    others = ((NOBODY,) if doubt.orderly else ()) + (CLIENT, SERVER)
    could = finding.could_also_be or tuple(each for each in others if each is not finding.party)
    return finding._replace(
        strength=lower,
        against=(*finding.against, Evidence((doubt.says,))),
        could_also_be=could if lower is POSSIBLE else finding.could_also_be,
    )


def _stalled_by(see: Observation, finding: Finding) -> Party | None:
    """Whose silence made the closer act."""
    if finding.stalled_by is not None or finding.benign:
        return finding.stalled_by
    if finding.party is CLIENT:
        return see.stalled(Side.CLIENT)
    return see.stalled(Side.SERVER) if finding.party is SERVER else None


def _silent(how: How, waited_ns: int | None) -> bool:
    """Still open, and nobody has said anything for long."""
    return how is OPEN and waited_ns is not None and waited_ns > SILENT_NS


def _harmless(see: Observation, party: Party) -> bool:
    """A scanner's visit, or a host's close without QUIT after all mail was answered."""
    return see.scanner or (party in (CLIENT, SERVER) and see.everything_answered)


def _no_surer(finding: Finding, could_also_be: tuple[Party, ...]) -> Says:
    """The summary, as sure as the finding: it is the sentence that somebody will read to another company on the phone."""
    if finding.strength is not POSSIBLE or finding.party is None:
        return finding.summary
    also = " or ".join(_ALTERNATIVES[party] for party in could_also_be)
    doubt = f"; it could also be {also}" if also else ""
    return (*finding.summary, f" ({PARTY_WORDS[finding.party]}: possible, not certain{doubt})")


_ALTERNATIVES = PARTY_WORDS | {NOBODY: "an orderly end"}


def _verdict(
    see: Observation,
    finding: Finding,
    *,
    others: tuple[Finding, ...],
    superseded: tuple[Finding, ...],
    context: tuple[Finding, ...],
    why: Says,
) -> Verdict:
    party = finding.party or Party.UNDETERMINED
    how = finding.how or OPEN
    stage, owing = (finding.stage, finding.owing) if finding.stage is not None else see.position
    nobody = party is NOBODY
    orderly = nobody and how is QUIT
    waited = see.waited_ns
    stalled = _stalled_by(see, finding)
    place = see.place
    settled = orderly or finding.benign or finding.strength is PROVEN
    command, where = (None, ()) if settled else next_capture(see.session, place.vantage)
    steps = finding.next_steps if settled else (*finding.next_steps, where)
    also = tuple([each for each in finding.could_also_be if each is not party])
    return Verdict(
        dropped_by=party,
        could_also_be=also,
        how=how,
        stage=stage,
        owing=None if orderly else owing,
        waited_ns=waited,
        stalled_by=stalled if stalled is not party else None,
        strength=finding.strength,
        impact=impact_of(see, party, how, stage, finding.benign),
        attention=_silent(how, waited) if nobody else not (finding.benign or _harmless(see, party)),
        end=finding.end or see.ending.at,
        rule=finding.rule,
        summary=_no_surer(finding, also),
        evidence=finding.evidence,
        against=finding.against,
        next_steps=steps,
        next_capture=command,
        forged=frozenset([moment for each in (finding, *context) for moment in each.forged]),
        findings=context,
        others=others,
        superseded=superseded,
        why=why,
        vantage=place.vantage,
        vantage_evidence=place.evidence,
    )
