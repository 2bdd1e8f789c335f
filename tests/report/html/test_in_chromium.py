"""The page in a real browser: no error, nothing loaded, nothing too wide, and its controls work.

Chromium's own protocol over two pipes (`tests.report.html.chromium`) is the leanest way that can see violations of the
policy and press keys: a driver would add a second program with a version of its own, ``--dump-dom`` cannot press a key,
and an injected probe would need a hole in the very policy that is tested. One browser serves all tests. CI needs
Debian's ``chromium`` and any font (``fonts-noto-core`` or ``fonts-dejavu-core``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pcapdiag import analyze
from pcapdiag.analysis import KeepDialogue
from tests.report.html import chromium
from tests.report.html.pages import page, told_by
from tests.report.html.test_hostile import PAYLOADS
from tests.report.stories import STORIES, article

SCENES = Path(__file__).parents[3] / "captures"
SAMPLES = (
    "article-499-no-routing-hosts",
    "pmtu-black-hole",
    "icmp-host-unreachable-in-body",
    "tls-server-rst-in-delivery",
)
WIDTHS = (360, 1440)

TOO_WIDE = """
[...document.querySelectorAll("body *")].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width && !each.closest(".scroll, .skip") && (box.right > innerWidth + 1 || box.left < -1);
}).map((each) => each.outerHTML.slice(0, 120))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    if chromium.found() is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    with chromium.browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages, as files."""
    pages = tmp_path_factory.mktemp("pages")
    for name, story in STORIES.items():
        (pages / f"{name}.html").write_text(page(story()), "utf-8")
    for name in SAMPLES:
        analysis = analyze([SCENES / name / "capture.pcap"], keep_dialogue=KeepDialogue.ALL)
        (pages / f"{name}.html").write_text(page(analysis), "utf-8")
    for name, payload in PAYLOADS.items():
        (pages / f"payload {name}.html").write_text(page(told_by(payload)), "utf-8")
    return pages


ALL = [*STORIES, *SAMPLES, *(f"payload {name}" for name in PAYLOADS)]


CUT_CAPTIONS = """[...document.querySelectorAll("caption")].filter((each) => each.offsetHeight > 0
    && each.getBoundingClientRect().right > innerWidth).map((each) => each.textContent)"""
"""A table may be scrolled, but what it is about is read without."""


@pytest.mark.parametrize("width", [360, 800, 1440])
@pytest.mark.parametrize("name", ALL)
def test_no_complaint_and_nothing_too_wide(browser: chromium.Browser, folder: Path, name: str, width: int) -> None:
    browser.open(folder / f"{name}.html", width=width, dark=width == 360)
    browser.ask('document.querySelectorAll("details").forEach((each) => { each.open = true; })')
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(TOO_WIDE) == []
    assert browser.ask(CUT_CAPTIONS) == []
    assert browser.complaints() == []
    assert browser.ask("document.scripts.length") == 1


@pytest.mark.parametrize(
    "smuggled",
    [
        "<script>document.title = 'owned'</script>",
        "<img src=data:, onerror=\"document.title = 'owned'\">",
        "<p style='color: red'>",
        "<img src='https://example.net/pixel'>",
        "<link rel=stylesheet href='https://example.net/x.css'>",
        "<iframe src='https://example.net/'></iframe>",
    ],
)
def test_what_got_in_would_be_refused(browser: chromium.Browser, tmp_path: Path, smuggled: str) -> None:
    """The policy is the second wall; and this shows that the tests above would hear of it."""
    spoiled = tmp_path / "spoiled.html"
    spoiled.write_text(page(article()).replace("<main", f"{smuggled}<main", 1), "utf-8")
    browser.open(spoiled, width=1440)
    assert any("Content Security Policy" in complaint for complaint in browser.complaints())
    assert browser.ask("document.title") != "owned"


SHOWN = '[...document.querySelectorAll("#sessions-table tbody tr")].filter((row) => row.offsetHeight > 0)'
IDS = f"{SHOWN}.map((row) => Number(row.cells[0].dataset.key))"


def set_to(browser: chromium.Browser, control: str, value: str) -> None:
    """Choose or type, and tell the page as a person's hand would."""
    browser.ask(f"""(() => {{
        const control = document.getElementById("filter-{control}");
        if (control.type === "checkbox") control.checked = {value!r} === "on"; else control.value = {value!r};
        control.dispatchEvent(new Event("input", {{ bubbles: true }}));
    }})()""")


@pytest.mark.parametrize("width", WIDTHS)
def test_rows_are_filtered(browser: chromium.Browser, folder: Path, width: int) -> None:
    browser.open(folder / "many.html", width=width)
    everything = list(range(1, 61))
    dropped = [number for number in everything if number % 3]
    assert browser.ask(IDS) == everything
    set_to(browser, "attention", "on")
    assert browser.ask(IDS) == dropped
    assert browser.ask('document.getElementById("filter-count").value') == "40 of 60 shown"
    set_to(browser, "attention", "off")
    set_to(browser, "party", "nobody")
    assert browser.ask(IDS) == [number for number in everything if number % 3 == 0]
    set_to(browser, "stage", "body")
    assert browser.ask(IDS) == []
    set_to(browser, "party", "")
    set_to(browser, "text", "RESET 192.0.2.10:1068")
    assert browser.ask(IDS) == [1]
    set_to(browser, "text", "")
    set_to(browser, "stage", "")
    assert browser.ask(IDS) == everything
    assert browser.complaints() == []


def test_typing_filters(browser: chromium.Browser, folder: Path) -> None:
    browser.open(folder / "article.html", width=1440)
    browser.ask('document.getElementById("filter-text").focus()')
    browser.call("Input.insertText", text="nobody")
    assert browser.ask(IDS) == [4]


@pytest.mark.parametrize("width", WIDTHS)
def test_headings_sort_by_keyboard(browser: chromium.Browser, folder: Path, width: int) -> None:
    browser.open(folder / "many.html", width=width)
    button = 'document.querySelectorAll("#sessions-table thead button")'
    sort = f'{button}[0].closest("th").getAttribute("aria-sort")'
    assert browser.ask(sort) is None
    browser.ask(f"{button}[0].focus()")
    browser.key("Enter", "\r")
    assert browser.ask(sort) == "ascending"
    browser.key("Enter", "\r")
    assert browser.ask(sort) == "descending"
    assert browser.ask(IDS) == list(range(60, 0, -1))
    browser.key("Tab")
    browser.key("Enter", "\r")
    assert browser.ask(sort) is None, "one column at a time"
    starts = browser.ask(f"{SHOWN}.map((row) => row.cells[1].textContent.trim())")
    assert starts == sorted(starts)
    assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_attention_stays_sorted_and_filtered_together(browser: chromium.Browser, folder: Path) -> None:
    browser.open(folder / "many.html", width=1440)
    set_to(browser, "party", "server")
    browser.ask('document.querySelectorAll("#sessions-table thead button")[0].click()')
    browser.ask('document.querySelectorAll("#sessions-table thead button")[0].click()')
    assert browser.ask(IDS) == [number for number in range(60, 0, -1) if number % 3]


def test_a_command_can_be_copied(browser: chromium.Browser, folder: Path) -> None:
    browser.open(folder / "article.html", width=1440)
    browser.ask('document.querySelector("button.copy").click()')
    command = browser.ask('document.querySelector(".next code").textContent')
    assert command.startswith("tcpdump ")
    assert browser.ask("String(getSelection())").strip() == command
    assert browser.complaints() == []


def test_paper_shows_what_is_folded(browser: chromium.Browser, folder: Path) -> None:
    browser.open(folder / "article.html", width=1440)
    browser.ask('dispatchEvent(new Event("beforeprint"))')
    assert browser.ask('document.querySelectorAll("details:not([open])").length') == 0
    browser.ask('dispatchEvent(new Event("afterprint"))')
    assert browser.ask('document.querySelectorAll("details[open]").length') == 0
    assert browser.paper().startswith(b"%PDF-")


def test_one_drawing_is_shown_for_each_width(browser: chromium.Browser, folder: Path) -> None:
    for width, shown in ((360, "narrow"), (1440, "wide")):
        browser.open(folder / "article.html", width=width)
        found = browser.ask(
            '[...document.querySelectorAll("svg.ladder")].filter((each) => each.getClientRects().length).map((each) => each.classList[1])'
        )
        assert found == [shown] * 3


def test_words_stay_between_the_lanes(browser: chromium.Browser, folder: Path) -> None:
    """Fonts differ; the drawing counts with the widest usual one."""
    outside = """
    [...document.querySelectorAll("svg.ladder text.word")].filter((word) => {
      const box = word.getBBox(), svg = word.ownerSVGElement;
      const rails = [...svg.querySelectorAll(".rail")].map((rail) => rail.x1.baseVal.value);
      return box.width && (box.x < Math.min(...rails) || box.x + box.width > Math.max(...rails));
    }).map((word) => word.textContent)
    """
    for name in (*STORIES, *SAMPLES, "payload wide", "payload long word"):
        for width in WIDTHS:
            browser.open(folder / f"{name}.html", width=width)
            assert browser.ask(outside) == [], name


def test_the_page_is_read_without_its_script(browser: chromium.Browser, folder: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(folder / "many.html", width=1440)
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.ask('document.querySelectorAll("button:not([hidden])").length') == 0
    assert browser.ask('document.querySelector(".filter").offsetHeight') == 0
    assert browser.ask(f"{IDS}.length") == 60
