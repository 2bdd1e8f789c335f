"""A deed in; what an expert may say of it who sees one file only, for each file, out.

The deed comes from the story and from the journal of those who acted, never from packets. What is accepted comes from
ROWS, one table for all scenarios: the first row that fits a place decides, and says why an expert there can say no more.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .capture import PLACES, Place, Shot
from .deed import DEAF, HOSTS, IMPACT_OF, Deed, fault_index, views_of
from .dialogue import Side, View
from .journal import Event


@dataclass(frozen=True, slots=True)
class Row:
    """For these means, at these places, when all of `when` holds: what may be said, and why no more and no less.

    Words for parties: `doer`, and seen from the place: `own` (its host) and `other` (the host beyond; at the middle the
    client is its own host). Places: `own` is the doer's, `other` the other host's, `aimed` where a device's segment went.
    """

    means: tuple[str, ...]
    place: Literal["any", "doer's", "aimed", "not aimed"]
    when: tuple[str, ...]
    dropped_by: tuple[str, ...]
    how: str | None  # one or several words; None: as it was done
    why: str


# Conditions, computed by `_holds`:
#   betrayed          the forged segment's TTL or clock is not its alleged sender's
#   both legs         the capture shows packets as they come in, and as they go out
#   spoke             the place's own host said something behind the fault
#   heard other       the other host did, and its packets still come through to here
#   gave up           the place's own host did, because the other said nothing any more
#   starves the doer  the path keeps from it what this place's host sends
#   saw a FIN         the other host closed behind the fault, and its FIN came through to here
ROWS = (
    Row(("quit", "open"), "any", (), ("nobody",), None, "nothing is hidden in an orderly end, or in none"),
    Row(
        ("unheard quit",), "any", (), ("nobody", "client"), "quit fin",
        "the length of the client's last record allows QUIT; that nothing answered it leaves another reason to close",
    ),
    Row(
        ("gives up",), "any", ("starves the doer",), ("doer", "path"), "fin timeout",
        "what the doer waits for was sent from here and repeated in vain, before its FIN came",
    ),
    Row(
        ("close", "abort", "unread", "killed", "gives up", "alert"), "any", (), ("doer",), None,
        "the FIN or RST of a living socket carries its host's TTL, clock and window to every place",
    ),
    Row(
        ("forgets", "own firewall"), "doer's", (), ("doer",), "rst",
        "the bare reset leaves the host with its whole TTL, right behind the segment that met no socket",
    ),
    Row(
        ("forgets", "own firewall"), "any", (), ("doer", "middlebox"), "rst",
        "a bare reset of the right TTL from a side that never closed: a kernel without the socket, or a device that copies well",
    ),
    Row(("not listening",), "any", (), ("server",), "refused", "the answer to a SYN in the server's name, and nothing speaks against it"),
    Row(
        ("backlog full", "own firewall, silent"), "any", (), ("path", "server"), "timeout",
        "segments without an answer look alike whether they arrive or not, and a capture does not say that it was the server's own",
    ),
    Row(("power failure",), "doer's", (), ("nobody",), "open", "the capture ends with the power: nothing had ended before"),
    Row(("power failure",), "any", ("spoke",), ("path", "other"), "timeout", "from afar a dead host and a dead path look alike"),
    Row(("power failure",), "any", (), ("nobody",), "open", "nobody said anything that could have met silence"),
    Row(
        ("rejects syn",), "any", (), ("middlebox", "server"), "refused",
        "the reset is the only packet in that name: its TTL has nothing to be compared with",
    ),
    Row(
        ("rejects", "state expired, reset"), "aimed", (), ("middlebox",), "rst",
        "the firewall is nearer than the host in whose name it resets, and the TTL tells",
    ),
    Row(
        ("forged reset", "forged fin"), "any", ("both legs",), ("middlebox",), None,
        "every packet stands here twice, as it came and as it went, and the forged one once",
    ),
    Row(("forged reset", "forged fin"), "aimed", ("betrayed",), ("middlebox",), None, "the TTL or the clock is not that host's"),
    Row(
        ("forged reset", "forged fin"), "aimed", ("heard other",), ("middlebox",), None,
        "the host in whose name it was said goes on as if it had said nothing",
    ),
    Row(
        ("forged reset", "forged fin"), "aimed", (), ("other", "middlebox"), None,
        "a perfect copy: the place where it was forged does not show",
    ),
    Row(
        ("forged reset",), "not aimed", ("gave up",), ("own", "other", "middlebox"), "fin rst",
        "a FIN after a long wait, and a bare reset in answer: one side was impatient, and the other's socket was gone before",
    ),
    Row(
        ("forged reset",), "not aimed", ("spoke",), ("other", "middlebox"), "rst",
        "the deceived kernel answers with a genuine bare reset, as it would after a restart; the forged one never passed here",
    ),
    Row(
        ("forged fin",), "not aimed", ("heard other",), ("other", "middlebox"), "fin",
        "the deceived host closes with a genuine FIN; that it acknowledges one octet too many is all that tells",
    ),
    Row(
        ("rejects", "state expired, reset"), "not aimed", ("spoke",), ("path", "other"), "timeout",
        "the firewall swallows whatever could answer: from here there is silence",
    ),
    Row(
        ("forged reset", "forged fin", "rejects", "state expired, reset"), "not aimed", (), ("nobody",), "open",
        "the other end is gone, and nothing here has asked it yet",
    ),
    Row(("icmp",), "doer's", (), ("doer",), "unreachable", "the host's own firewall: its error leaves here"),
    Row(("icmp",), "aimed", (), ("doer",), "unreachable", "the ICMP error names its sender and quotes the segment"),
    Row(("icmp",), "not aimed", ("spoke",), ("path", "other"), "timeout", "the error went to the other side; here there is silence"),
    Row(("icmp",), "not aimed", (), ("nobody",), "open", "nothing here has met the fault"),
    Row(
        ("black hole",), "any", ("spoke",), ("path",), "timeout",
        "the other host reports the hole, and what would fill it is sent again and again in vain",
    ),
    Row(
        ("black hole",), "any", ("saw a FIN",), ("path", "other"), "timeout fin",
        "a FIN behind a hole: whether the hole was filled later is not in the file, and then the other host had only closed",
    ),
    Row(
        ("black hole",), "any", (), ("path", "nobody"), "timeout open",
        "the file ends with the report of the hole: it does not show that nobody filled it",
    ),
    Row(
        ("silence", "state expired, silent"), "any", ("heard other",), ("path",), "timeout",
        "the other host repeats what was answered: it is alive, and what goes to it is lost",
    ),
    Row(
        ("silence", "state expired, silent"), "any", ("spoke",), ("path", "other"), "timeout",
        "at the silent end a dead peer and a dead path look alike",
    ),
    Row(("silence", "state expired, silent"), "any", (), ("nobody",), "open", "nothing here has met the fault"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lack:
    """What a file lacks, and what may therefore be said besides: `undetermined` for the party, and these."""

    why: str
    stage: tuple[str, ...] = ()
    impact: tuple[str, ...] = ("unknown",)


ONE_DIRECTION = Lack("only one side's packets were captured")
FROM_SERVER = "src port"  # in the capture's filter: replies only
BEGINNING = Lack("the capture began after the connection had")
DIALOGUE = Lack("the capture began behind the last word of the dialogue", stage=("other",))
OCTETS = Lack("the packets were cut before the dialogue: lengths and directions are all that is left", stage=("other",))
CUT_BELOW = 66  # octets of Ethernet, IPv4 and TCP headers with timestamps


@dataclass(frozen=True, slots=True)
class Accepted:
    """All that is right to say of one session from one file."""

    dropped_by: tuple[str, ...]
    how: tuple[str, ...]
    stage: tuple[str, ...]
    impact: tuple[str, ...]
    undetermined_ok: str | None
    why: str


def accepted(deed: Deed, events: Sequence[Event], session: int, place: Place, shot: Shot) -> Accepted:
    """What is right to say of this session from the file of this place."""
    stopped = next(
        (i for i, e in enumerate(events) if e["action"] == "capture stops" and e.get("place") == place), len(events)
    )
    if stopped < fault_index(events, session):
        deed = dataclasses.replace(deed, by="nobody", how="open", means="open")
    behind = [event for event in events[fault_index(events, session) : stopped] if event.get("session") == session]
    row = next(row for row in ROWS if _fits(row, deed, place, shot, behind))
    words = {"doer": deed.by, "own": _own(place, deed), "other": _other(place, deed)}
    parties = _once([words.get(word, word) for word in row.dropped_by])
    how = tuple((row.how or deed.how).split())
    seen = _views_at(events[:stopped], session, place, deed)
    heard = views_of(events[:stopped], session).get("client")
    stages = [view.stage for view in seen] or [deed.stage]
    if deed.by in HOSTS and place != deed.by and deed.means not in DEAF:
        stages.append(deed.stage)  # where something crossed the end, the doer's last step is as right as the last words
    if deed.means == "forged reset" and row.place == "not aimed" and "spoke" in row.when:
        stages.append(deed.stage)  # what was said last met a socket that was gone: it completed no step
    other = views_of(events[:stopped], session).get(_other(place, deed))
    if other and deed.by == "path" and "heard other" in row.when:
        stages.append(other.stage)  # what the other host repeats says which step it never completed
    impacts = [impact for view in seen for impact in _impacts(view, heard or view, deed, how)]
    impacts = impacts or [IMPACT_OF[deed.mail or ""]]
    if "open" in how and "delayed" in impacts:
        impacts.append("unknown")  # nothing has ended: what became of the mail later was not captured
    lacks = _lacks(events, place, shot)
    stages += [stage for lack in lacks for stage in lack.stage]
    if ONE_DIRECTION in lacks and FROM_SERVER in shot.narrow:
        stages += [view.completed for view in seen]  # a command that was not captured is not proved
    return Accepted(
        parties,
        how,
        _once(stages),
        _once(impacts + [impact for lack in lacks for impact in lack.impact]),
        "; ".join(lack.why for lack in lacks) or None,
        row.why,
    )


def _once(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _impacts(seen: View, heard: View, deed: Deed, how: tuple[str, ...]) -> tuple[str, ...]:
    impact = seen.impact(heard)
    if heard.turned_away:  # it tried; and a session that ended before `quit` ended before the mail could be handed over
        return (impact,) if "QUIT" in seen.commands else _once((impact, "delayed"))
    if (
        impact == "delayed"
        and ("MAIL" not in seen.commands or heard.took_back)
        and ("open" in how or deed.by == "client" or "QUIT" in seen.commands)
    ):
        return "delayed", "none"  # a client that never tried, has not yet, or did not want to any more
    return (impact,)


def _fits(row: Row, deed: Deed, place: Place, shot: Shot, behind: Sequence[Event]) -> bool:
    aimed = {"client": ("client", "middle"), "server": ("server",), "both": PLACES, None: ()}[deed.aimed_at]
    where = {
        "any": True,
        "doer's": place == deed.by,
        "aimed": place in aimed,
        "not aimed": place not in aimed,
    }[row.place]
    return deed.means in row.means and where and all(_holds(it, deed, place, shot, behind) for it in row.when)


def _holds(condition: str, deed: Deed, place: Place, shot: Shot, behind: Sequence[Event]) -> bool:
    own, other = _own(place, deed), _other(place, deed)
    if condition == "betrayed":
        return deed.betrayed
    if condition == "starves the doer":
        return deed.stalled_by == "path" and own != deed.by
    if condition == "saw a FIN":
        return any(event["actor"] == other and event.get("way") == "fin" for event in behind)
    if condition == "both legs":
        return place == "middle" and shot.device == "any"
    if condition == "spoke":
        return own in deed.spoke_after
    if condition == "gave up":
        return own in deed.spoke_after and deed.stalled_by == other
    if condition == "heard other":
        passes = deed.lost_toward == other or deed.means.startswith("forged")
        return other in deed.spoke_after and passes
    raise ValueError(condition)


def _own(place: Place, deed: Deed) -> Side:
    """The middle sees what the client sees, unless the near cable is the broken one."""
    if place == "middle":
        return "server" if deed.lost_on == "near" else "client"
    return place


def _other(place: Place, deed: Deed) -> Side:
    return "server" if _own(place, deed) == "client" else "client"


def _views_at(events: Sequence[Event], session: int, place: Place, deed: Deed) -> list[View]:
    views = views_of(events, session)
    for seen in views.values():
        if seen.quit_counts and deed.how not in {"quit", "open"}:
            seen.stage = deed.stage  # a QUIT that crossed the end does not count
    own = views.get(_own(place, deed))
    dark = deed.means == "power failure" and place == deed.by  # its capture ended with it
    if deed.by in HOSTS and deed.means in DEAF and not dark:
        own = views.get("client" if deed.by == "server" else "server")
        return [own] if own else list(views.values())
    if own is None or (place == "middle" and deed.by in HOSTS):
        return list(views.values())  # what crossed may have been on either side of the router when the end came
    return [own]


def _lacks(events: Sequence[Event], place: Place, shot: Shot) -> list[Lack]:
    lacks = []
    if shot.narrow:
        lacks.append(ONE_DIRECTION)
    late = [i for i, e in enumerate(events) if e["action"] == "capture starts late" and e.get("place") == place]
    if late:
        lacks.append(BEGINNING if any(event["action"] == "says" for event in events[late[0] :]) else DIALOGUE)
    if 0 < shot.snaplen <= CUT_BELOW:
        lacks.append(OCTETS)
    return lacks
