"""The page: an `Analysis` to one self-contained HTML file, piece by piece.

It begins with the result in a sentence, then what was read, a row per session, and the sessions that need attention told
in full with their drawings. The page loads nothing, sends nothing, and runs one script of ours that its own policy
names by hash; text from the wire is only ever escaped text (docs/reference/html-report.md).

Each module here turns facts into small views; the templates lay views out and decide nothing. Only ids are held of all
sessions, and the page has a bounded number of rows, so that 12,000 sessions cost no more memory than a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Analysis, KeepDialogue, itself
from pcapdiag.report.choice import FEW, choose
from pcapdiag.report.clock import Clock
from pcapdiag.report.html.captures import captures, errors
from pcapdiag.report.html.detail import Details
from pcapdiag.report.html.overview import Overview, groups, patterns
from pcapdiag.report.html.page import Page
from pcapdiag.report.options import Options
from pcapdiag.report.redaction import in_full
from pcapdiag.report.summary import lead, title, together
from pcapdiag.version import __version__


def render(analysis: Analysis, options: Options) -> Iterator[str]:
    """The page in pieces."""
    page, clock = Page(), Clock(options.zone)
    overview = Overview(analysis, clock)
    choice = choose(analysis, options)
    told = frozenset(choice.ids)
    details = Details(analysis, clock, drawn=options.dialogue is not KeepDialogue.NONE)
    yield _head(page, analysis, options, overview, clock)
    yield page.write(
        "across.html",
        patterns=patterns(analysis, told),
        groups=groups(analysis, clock, told) if overview.shown > FEW else None,
    )
    if overview.shown:
        yield page.write("sessions-head.html", overview=overview, told=choice.ids, wanted=choice.wanted)
        for batch in overview.batches():
            yield page.write("sessions-rows.html", rows=batch, told=told)
        yield page.write("sessions-foot.html", overview=overview)
    for judged in choice.sessions:
        yield page.write("session.html", story=details.tell(judged, whole=judged.id in options.only))
    yield page.write("foot.html", version=__version__)


def _head(page: Page, analysis: Analysis, options: Options, overview: Overview, clock: Clock) -> str:
    """From the document's head to what was read."""
    only = None if overview.only is None else next(analysis.sessions.each(itself, [overview.only]))
    read = captures(analysis, clock)
    heading = title(analysis, only=only)
    return page.write(
        "head.html",
        title=f"{heading} ({read.told[0].name})" if len(read.told) == 1 else heading,
        heading=heading,
        lead=list(lead(analysis, only=only, ports=options.ports)),
        read=read,
        together=together(analysis.captures) if len(analysis.captures) > 1 else "",
        errors=errors(analysis),
        redaction=in_full(analysis.redaction),
        version=__version__,
    )
