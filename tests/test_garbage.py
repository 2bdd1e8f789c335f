"""The garbage collector comes rarely: nothing may need it, above all not the octets of a batch."""

from __future__ import annotations

import gc
import weakref

import pytest

from pcapdiag.capture.frames import Window
from pcapdiag.garbage import RARELY, collected_rarely
from pcapdiag.pipeline import analyze

STORIES = ("clean-delivery", "article-499-no-routing-hosts", "tls-clean-end", "lossy-path-delivers", "port-reuse")


def test_thresholds_are_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with collected_rarely():
        assert gc.get_threshold() == (RARELY, *before[1:])
    assert gc.get_threshold() == before


@pytest.mark.parametrize("story", STORIES)
def test_the_octets_of_a_batch_go_without_the_collector(story: str, monkeypatch: pytest.MonkeyPatch) -> None:
    buffers: list[weakref.ref[object]] = []
    read = Window.more

    def more(window: Window, need: int = 0) -> int:
        came = read(window, need)
        buffers.append(weakref.ref(window.buffer))
        return came

    monkeypatch.setattr(Window, "more", more)
    gc.disable()
    try:
        found = analyze([f"captures/{story}/capture.pcap"])
        left = [buffer for buffer in buffers if buffer() is not None]
    finally:
        gc.enable()
    assert found.total
    assert buffers
    assert not left
