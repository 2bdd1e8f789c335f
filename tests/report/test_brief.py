"""The page for a ticket: never more than 60 lines, and what is most important is on it."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.analysis import Analysis, InputError
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import Endpoint, Note, Party, Stage, Wire
from pcapdiag.report.brief import MOST_LINES, short
from pcapdiag.report.dialects import dialect, names
from pcapdiag.report.options import Options
from tests.factories import make_capture, make_connection, make_judged, make_verdict
from tests.report.attacks import attacked
from tests.report.stories import STORIES, analysis_of, article, gateway_reset, many
from tests.report.test_document import very_many

OPTIONS = Options(zone=UTC, ports=(25,))


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("story", [*STORIES, "attacked", "very many"])
def test_a_page_is_a_page(story: str, name: str) -> None:
    analysis = {"attacked": attacked, "very many": lambda: very_many(500)}.get(story, STORIES.get(story, attacked))()
    page = short(analysis, dialect(name), OPTIONS)
    assert len(page.splitlines()) <= MOST_LINES
    assert page.endswith("\n")
    assert "Credentials and the text of messages are in no report" in flat(page)


@given(
    sessions=st.integers(0, 70),
    kinds=st.integers(1, 40),
    files=st.integers(0, 60),
    long=st.integers(0, 2_000),
    evidence=st.integers(1, 40),
    name=st.sampled_from(names()),
)
def test_whatever_comes_it_stays_a_page(
    sessions: int, kinds: int, files: int, long: int, evidence: int, name: str
) -> None:
    analysis = crowd(sessions, kinds, files, long, evidence)
    page = short(analysis, dialect(name), OPTIONS, attached=files % 2 == 1)
    assert len(page.splitlines()) <= MOST_LINES
    if sessions:
        assert "client" in page, "at least one session is told"


def crowd(sessions: int, kinds: int, files: int, long: int, evidence: int) -> Analysis:
    """Many sessions of many kinds, in many files, with much to say of each."""
    says = tuple(Evidence((Wire(b"long text " * (long // 10 + 1)),)) for _ in range(evidence))
    stages = list(Stage)
    judged = [
        make_judged(
            number,
            connection=make_connection(server=Endpoint(f"198.51.100.{number % kinds}", 25)),
            verdict=make_verdict(
                dropped_by=Party.SERVER,
                stage=stages[number % kinds % len(stages)],
                summary=("the server ", Wire(b"said this " * (long // 10 + 1))),
                evidence=says,
                against=says,
                next_steps=tuple(each.says for each in says),
            ),
        )
        for number in range(1, sessions + 1)
    ]
    captures = tuple(
        make_capture(
            path=f"{'x' * (long // 10)}{number}.pcap", sha256="0a" * 32, notes=(Note("cut", "it is cut " * 30),)
        )
        for number in range(files)
    )
    errors = tuple(InputError(f"{number}.pcap", "no such file " * 30) for number in range(files))
    return analysis_of(judged, captures=captures, errors=errors)


def test_one_session_is_told_as_fully_as_there_is_room() -> None:
    page = flat(short(analysis_of([gateway_reset()]), dialect("plain"), OPTIONS))
    for part in (
        "The server 198.51.100.25 reset the connection 1 s after",
        "client: 192.0.2.10:1068 (mail.example.org)",
        "<alice@example.org> to <bob@example.net>: not sent",
        "The reset has its sender's own marks",
        "(frame 14)",
        "What else it could be: * A device that copies TTL and window could have sent it.",
        "1. Look into the log of the gateway",
        "tcpdump -ni any",
        "ip.addr == 192.0.2.10",
    ):
        assert part in page


def test_sessions_of_each_kind_come_before_more_of_the_same() -> None:
    other = make_judged(9, verdict=make_verdict(dropped_by=Party.CLIENT, stage=Stage.RCPT))
    page = short(
        analysis_of([*(gateway_reset(number, late=number) for number in range(1, 9)), other]), dialect("plain"), OPTIONS
    )
    assert page.index("SESSION 1:") < page.index("SESSION 9:")
    assert "Not told here: " in page
    assert "SESSION 3:" not in page


def test_it_says_what_was_left_out_and_where_that_stands() -> None:
    assert "Not told here: 39 sessions that need attention. The full report comes from: pcapdiag analyze FILE" in flat(
        short(many(60), dialect("plain"), OPTIONS)
    )
    attached = short(many(60), dialect("markdown"), OPTIONS, attached=True)
    assert "Not told here: 39 sessions that need attention. The full report is attached." in attached


def test_checksums_tell_which_file_it_is() -> None:
    analysis = article()._replace(captures=(make_capture(sha256="0123456789abcdef" * 4),))
    assert "0123456789abcdef" * 4 in short(analysis, dialect("plain"), OPTIONS)


@pytest.mark.parametrize("limit", [3_000, 10_000])
def test_a_limit_of_characters_is_kept(limit: int) -> None:
    assert len(short(many(60), dialect("textile"), OPTIONS, limit=limit)) <= limit
