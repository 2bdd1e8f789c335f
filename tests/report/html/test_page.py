"""What every page is, whatever it tells: well formed, accessible, one file, and no larger than anybody can read."""

from __future__ import annotations

import re
import tracemalloc
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pcapdiag import analyze
from pcapdiag.analysis import KeepDialogue
from pcapdiag.report.formats import for_others, render
from pcapdiag.report.html.overview import MOST_ROWS
from pcapdiag.report.options import Options
from tests.factories import make_capture, make_judged
from tests.report.html.pages import Document, page
from tests.report.stories import STORIES, analysis_of, article, many, very_many

SCENES = sorted((Path(__file__).parents[3] / "captures").glob("*/capture.pcap"))
PAGES = {name: page(story()) for name, story in STORIES.items()}


@pytest.fixture(params=PAGES)
def document(request: pytest.FixtureRequest) -> Document:
    """Each story's page."""
    return Document(PAGES[request.param])


def test_it_goes_to_others() -> None:
    assert for_others("html")


def test_the_policy_names_the_one_script_and_the_one_style(document: Document) -> None:
    (policy,) = [each for each in document.all("meta") if each.attributes.get("http-equiv")]
    directives = dict(part.strip().split(" ", 1) for part in (policy.attributes["content"] or "").split(";"))

    def named(tag: str) -> str:
        return "'sha256-" + b64encode(sha256(document.one(tag).text.encode()).digest()).decode() + "'"

    assert directives == {
        "default-src": "'none'",
        "script-src": named("script"),
        "style-src": named("style"),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    before = [each.tag for each in document.elements[: document.elements.index(policy)]]
    assert before == ["html", "head", "meta"], "nothing stands before the policy that it would have to forbid"


def test_the_page_loads_nothing_and_runs_nothing_else(document: Document) -> None:
    for element in document.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on"), element
            assert name not in ("style", "src", "srcset", "action", "formaction", "data", "poster", "xlink:href"), (
                element
            )
            if name == "href":
                assert re.fullmatch(r"#[a-z0-9-]+|data:,", value or ""), element
    assert not re.search(r"@import|url\(", document.one("style").text)
    assert not [*document.all("iframe", "object", "embed", "form", "base", "img", "foreignobject", "use")]


def test_headings_go_down_by_one(document: Document) -> None:
    levels = [int(each.tag[1]) for each in document.all("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_landmarks_and_language(document: Document) -> None:
    assert document.one("html").attributes["lang"] == "en"
    assert next(document.all("title")).text
    for landmark in ("main", "footer"):
        document.one(landmark)


def test_every_name_is_there_once_and_every_reference_meets_one(document: Document) -> None:
    ids = Counter(each.attributes["id"] for each in document.elements if "id" in each.attributes)
    assert [name for name, number in ids.items() if number > 1] == []
    wanted: set[str] = set()
    for each in document.elements:
        for attribute in ("aria-labelledby", "aria-describedby", "for", "data-copy"):
            wanted.update((each.attributes.get(attribute) or "").split())
        href = each.attributes.get("href") or ""
        wanted.update([href[1:]] if href.startswith("#") else [])
    assert wanted - set(ids) == set()


def test_tables_say_what_their_cells_are(document: Document) -> None:
    tables = [*document.all("table")]
    for table in tables:
        inside = [each for each in document.elements if table in each.parents]
        assert [each for each in inside if each.tag == "caption" and each.text.strip()], table
        headings = [each for each in inside if each.tag == "th"]
        assert headings
        assert all(each.attributes.get("scope") in ("col", "row") for each in headings)
        columns = sum(each.attributes["scope"] == "col" for each in headings)
        rows = [each for each in inside if each.tag == "tr"]
        cells = Counter(id(each.parents[-1]) for each in inside if each.tag in ("td", "th"))
        assert {cells[id(row)] for row in rows} == {columns}


def test_drawings_have_words_beside_them(document: Document) -> None:
    for drawing in document.all("svg"):
        assert drawing.attributes["role"] == "img"
        inside = {
            each.tag: each for each in document.elements if drawing in each.parents and each.tag in ("title", "desc")
        }
        assert inside["title"].text
        assert inside["desc"].text
        figure = next(each for each in drawing.parents if each.tag == "figure")
        assert [each for each in document.all("figcaption") if figure in each.parents and each.text.strip()]
    ladders = [each for each in document.all("svg") if "wide" in each.classes]
    tables = [each for each in document.all("summary") if each.text == "The same as a table"]
    assert len(ladders) == len(tables)


def test_controls_have_labels_and_wait_for_the_script(document: Document) -> None:
    labelled = {each.attributes.get("for") for each in document.all("label")}
    for control in document.all("input", "select"):
        assert control.attributes["id"] in labelled
        assert any("hidden" in parent.attributes for parent in control.parents), "without the script it does nothing"
    assert all("hidden" in button.attributes for button in document.all("button"))


def test_what_scrolls_can_be_scrolled_with_the_keyboard(document: Document) -> None:
    for each in document.elements:
        if "scroll" in each.classes:
            assert each.attributes["tabindex"] == "0"
            assert each.attributes["role"] == "region"
            assert {"aria-label", "aria-labelledby"} & set(each.attributes)


@pytest.mark.parametrize("story", STORIES)
def test_what_the_text_report_says_stands_here_too(story: str) -> None:
    analysis = STORIES[story]()
    text = " ".join(Document(PAGES[story]).one("body").text.split())
    for judged in analysis.sessions:
        assert str(judged.session.client) in text
        assert judged.verdict.rule in text or not judged.verdict.attention
        if judged.verdict.next_capture and judged.verdict.attention:
            assert judged.verdict.next_capture in text


def test_the_articles_story() -> None:
    document = Document(page(article()))
    assert document.one("h1").text == "3 of 4 SMTP sessions dropped by the server"
    told = [each.attributes["id"] for each in document.all("article")]
    assert told == ["session-1", "session-2", "session-3"]
    words = [each.text for each in document.all("text") if "word" in each.classes]
    assert words[:3] == ["SYN to port 25", "SYN+ACK", "220 mx.example.net ESMTP"]
    rows = [" ".join(each.text.split()) for each in document.all("tr")]
    assert any(row.startswith("14 22:13:21.550 server RST, ACK") and "What ended it: RST" in row for row in rows)


def test_captures_are_named_without_where_they_lie_and_by_checksum() -> None:
    capture = make_capture(path="/home/karl/customers/a.pcap", sha256="0123456789abcdef" * 4)
    text = page(analysis_of([make_judged(1)], captures=(capture,)))
    assert "a.pcap" in text
    assert "0123456789abcdef" * 4 in text
    assert "karl" not in text


@pytest.mark.parametrize(("level", "words"), [("none", "Not redacted"), ("mail", "local parts"), ("all", "pseudonyms")])
def test_the_page_says_what_is_hidden(level: str, words: str) -> None:
    analysis = article()._replace(redaction=level)
    assert words in Document(page(analysis)).one("main").text


def test_times_say_their_zone() -> None:
    text = Document(page(article(), zone=ZoneInfo("Asia/Kolkata"))).one("main").text
    assert "zone +05:30" in text
    assert "2023-11-15 03:43:20" in text


def test_without_dialogue_there_is_no_drawing() -> None:
    assert not [*Document(page(article(), dialogue=KeepDialogue.NONE)).all("svg")]


def test_many_sessions_are_groups_rows_and_examples() -> None:
    document = Document(page(many(60)))
    assert len([*document.all("article")]) == 3
    assert len([each for each in document.all("tr") if "data-party" in each.attributes]) == 60
    assert "Told in full below the table: 3 of 40 sessions" in document.one("main").text
    assert len([*Document(page(many(60), details=30)).all("article")]) == 30


def test_twelve_thousand_sessions_make_a_page_that_can_be_opened() -> None:
    analysis = very_many(12_000)
    page(many(60))  # what is cached for good is cached
    tracemalloc.start()
    octets = sum(len(piece) for piece in render("html", analysis, Options()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000
    assert octets < 2_000_000
    document = Document(page(analysis))
    assert len([each for each in document.all("tr") if "data-party" in each.attributes]) == MOST_ROWS
    assert "The table holds 1,000 of 12,000 sessions" in document.one("main").text


@pytest.mark.parametrize("scene", SCENES, ids=lambda path: path.parent.name)
def test_every_sample_capture_has_its_page(scene: Path) -> None:
    """Well formed, every session told with its drawings, and each frame that the evidence names in its table."""
    analysis = analyze([scene], keep_dialogue=KeepDialogue.ALL)
    document = Document(page(analysis, dialogue=KeepDialogue.ALL))
    articles = [*document.all("article")]
    for judged, told in zip(analysis.sessions, articles, strict=True):
        inside = [each for each in document.elements if told in each.parents]
        assert len([each for each in inside if "ladder" in each.classes]) == 2
        (table,) = [each for each in inside if each.tag == "table" and "packets" in each.classes]
        frames = {
            each.text
            for each in inside
            if each.tag == "th" and table in each.parents and each.attributes["scope"] == "row"
        }
        assert {str(at.frame) for evidence in judged.verdict.evidence for at in evidence.frames[:1]} <= frames
        assert str(judged.verdict.end.frame) in frames


# --- Colours -----------------------------------------------------------------------------------------------------------

INK = ("ink", "soft", "link", "bad", "warn", "good")
GROUND = ("page", "raised", "bad-back", "warn-back")


def palettes() -> dict[str, dict[str, str]]:
    """The colours of the style sheet: light, dark, print."""
    style = files("pcapdiag.report.html").joinpath("templates", "page.css").read_text("utf-8")
    found = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]*)\}", style)
    ]
    return dict(zip(("light", "dark", "print"), found, strict=True))


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""

    def linear(octet: str) -> float:
        value = int(octet, 16) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(colour[at : at + 2]) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_contrast_is_that_of_wcag_aa(scheme: str) -> None:
    colours = palettes()[scheme]
    for ink in INK:
        for ground in GROUND:
            lighter, darker = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
            ratio = (lighter + 0.05) / (darker + 0.05)
            assert ratio >= 4.5, f"{ink} on {ground}: {ratio:.2f}"


def test_colours_come_from_the_palette_only() -> None:
    style = files("pcapdiag.report.html").joinpath("templates", "page.css").read_text("utf-8")
    outside = re.sub(r":root \{[^}]*\}", "", style)
    assert not re.findall(r"#[0-9a-f]{3,6}\b", outside)
