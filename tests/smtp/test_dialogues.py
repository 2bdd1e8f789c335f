"""Every conversation of the table ends where it should, however it was cut into segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.smtp.scripts import CASES
from tests.smtp.talk import standing, talk, timeless


@pytest.mark.parametrize("name", CASES)
def test_ends_at(name: str) -> None:
    case = CASES[name]
    dialogue = talk(case.script, implicit_tls=case.implicit_tls)
    assert standing(dialogue) == case.ends
    assert " ".join(oddity.kind.value for oddity in dialogue.oddities) == case.odd


@pytest.mark.parametrize("name", CASES)
def test_octet_by_octet(name: str) -> None:
    case = CASES[name]
    whole = talk(case.script, implicit_tls=case.implicit_tls)
    assert timeless(talk(case.script, [1], case.implicit_tls)) == timeless(whole)


@given(name=st.sampled_from(sorted(CASES)), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_at_any_cuts(name: str, sizes: list[int]) -> None:
    case = CASES[name]
    whole = talk(case.script, implicit_tls=case.implicit_tls)
    assert timeless(talk(case.script, sizes, case.implicit_tls)) == timeless(whole)
