"""Text from the wire comes out as text: no element, attribute, script or style is ever made of it."""

from __future__ import annotations

import unicodedata
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcapdiag.report.clean import wire_line
from pcapdiag.report.html.page import policy
from tests.report.html.pages import Document, page, told_by
from tests.report.stories import STORIES

PAYLOADS = {
    "script": b"<script>alert(1)</script>",
    "image": b'"><img src=x onerror=alert(1)>',
    "attribute": b"' onmouseover='alert(1)' style='position:fixed",
    "end of style": b"</style></script></title></textarea><script>alert(1)</script>",
    "end of drawing": b"</text></svg><svg onload=alert(1)><foreignObject>",
    "comment": b"<!--",
    "cdata": b"]]><![CDATA[<script>alert(1)</script>",
    "instruction": b"<?xml-stylesheet href='//evil.example/x'?>",
    "link": b"javascript:alert(1) https://evil.example/ [x](javascript:alert(1))",
    "template": b"{{7*7}} {% include '/etc/passwd' %} {# gone #} ${7*7}",
    "entities": b"&lt;b&gt; &#60;script&#62; &amp;lt;",
    "base": b"<base href=//evil.example/><meta http-equiv=refresh content=0>",
    "bidi": "\u202e\u2066evil\u2069 \u200b\ufeff".encode(),
    "escapes": b"\x1b[2J\x1b]0;owned\x07\x00\x08",
    "no utf-8": b"\xff\xfe\xc0\xaf<b>",
    "long": b"<b>" * 21_845,
    "long word": b"x" * 65_536,
    "wide": ("\u4f60\u597d" * 500).encode(),
    "stacked": ("e" + "\u0301" * 4000).encode(),
}

HARMLESS = set().union(
    *(Document(page(story())).shapes for story in STORIES.values()), Document(page(told_by(b"x"))).shapes
)
"""Every kind of element that pages of harmless stories have."""


def check(payload: bytes) -> None:
    text = page(told_by(payload))
    document = Document(text)
    assert document.shapes <= HARMLESS
    ours = {
        name: files("pcapdiag.report.html").joinpath("templates", f"page.{name}").read_text() for name in ("js", "css")
    }
    assert document.one("script").text == ours["js"]
    assert document.one("style").text == ours["css"]
    assert b64encode(sha256(document.one("script").text.encode()).digest()).decode() in policy()
    hidden = {char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")}
    assert not hidden, "neither controls nor overrides"


@pytest.mark.parametrize("name", PAYLOADS)
def test_it_is_inert(name: str) -> None:
    check(PAYLOADS[name])


@pytest.mark.parametrize("name", ["script", "image", "template", "entities", "escapes", "bidi"])
def test_it_is_still_told(name: str) -> None:
    payload = PAYLOADS[name]
    document = Document(page(told_by(payload)))
    for tag in ("article", "table", "svg", "li"):
        assert any(wire_line(payload)[:10] in each.text for each in document.all(tag)), tag


@pytest.mark.parametrize("name", ["long", "long word", "wide", "stacked"])
def test_it_does_not_flood_the_page(name: str) -> None:
    text = page(told_by(PAYLOADS[name]))
    assert len(text) < 400_000
    assert "(cut: " in text


@settings(max_examples=25)
@given(st.text(st.sampled_from("<>\"'&;/={}%#!-[]() \n\\ascriptonload"), min_size=1, max_size=60))
def test_whatever_it_is(text: str) -> None:
    check(text.encode())
