"""Where the records of a block begin: the one thing about them that cannot be had for all at once, since each record's
length says where the next one begins. Done in Python record by record, it takes longer than everything else together.

`lanes` therefore guesses a record's beginning every 64 KiB and follows all these chains in lockstep. A guess is never
believed: a lane counts only if the lane before it, itself proven from the block's first record on, ended exactly where it
began. What is not proven is left to the caller, who walks it record by record.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.table import BOOL, I64, U8

LANE = 1 << 16
FEWEST = 8
"""Lanes, below which lockstep costs more than it saves."""
GUESSES = 64
NEAR = 1 << 12
"""Octets searched for a record's beginning at first; then the whole lane."""
FAR = 1 << 62
"""Where a record leads that cannot be one."""


class Chain(Protocol):
    """What a file format knows about the records of one block."""

    mark: bytes
    """Octets that stand in nearly every record header..."""
    mark_at: int
    """...at this place."""

    def following(self, at: int) -> int:
        """Where the record at this place says that the next one begins; `FAR` for what cannot be a record."""

    def follow(self, at: I64) -> I64:
        """The same for many places."""


def field(buffer: U8, width: int) -> npt.NDArray[np.void]:
    """`width` octets at every place of a buffer: index it with places, then view the result as numbers."""
    return np.ndarray((len(buffer) - width + 1,), np.dtype((np.void, width)), buffer, 0, (1,))


def lanes(buffer: U8, chain: Chain, at: int, end: int) -> tuple[I64, int]:
    """Beginnings of records from `at` on, as many as are proven, and where the next one begins."""
    nothing = np.empty(0, np.int64)
    if end - at < LANE * FEWEST:
        return nothing, at
    seeds = _seeds(buffer, chain, at, end)
    if len(seeds) < FEWEST:
        return nothing, at
    begins, limits = seeds[:-1], seeds[1:]
    starts, arrived = _lockstep(chain, begins, limits)
    wrong = np.flatnonzero(~arrived)
    proven = int(limits[-1] if not len(wrong) else begins[wrong[0]])
    starts.sort()
    return starts[: np.searchsorted(starts, proven)], proven


def _seeds(buffer: U8, chain: Chain, at: int, end: int) -> I64:
    """A likely beginning of a record in each lane: the mark in its place, in the record that follows as well."""
    found = [at]
    for begin in range(at + LANE, end - LANE, LANE):
        for reach in (NEAR, LANE):
            octets = buffer[begin : begin + reach].tobytes()
            place = _likely(octets, begin, buffer, chain, end)
            if place is not None:
                found.append(place)
                break
    return np.array(found, np.int64)


def _likely(octets: bytes, begin: int, buffer: U8, chain: Chain, end: int) -> int | None:
    mark, mark_at = chain.mark, chain.mark_at
    place = octets.find(mark, mark_at)
    for _ in range(GUESSES):
        if place < 0:
            return None
        here = begin + place - mark_at
        there = chain.following(here) + mark_at
        if there + len(mark) <= end and buffer[there : there + len(mark)].tobytes() == mark:
            return here
        place = octets.find(mark, place + 1)
    return None


def _lockstep(chain: Chain, begins: I64, limits: I64) -> tuple[I64, BOOL]:
    """Follow all chains until each reaches or passes its limit: the places visited, and which lanes hit it exactly."""
    visited: list[I64] = []
    arrived = np.zeros(len(begins), np.bool_)
    lane, at, limit = np.arange(len(begins)), begins, limits
    patience = 0
    while len(at):
        visited.append(at)
        at = chain.follow(at)
        going = at < limit
        if not going.all():
            arrived[lane[at == limit]] = True
            lane, at, limit = lane[going], at[going], limit[going]
        if len(at) < FEWEST:
            patience = patience or 2 * len(visited) + FEWEST
            if len(visited) > patience:
                break  # a few lanes of tiny records lag far behind: cheaper by hand
    return np.concatenate(visited), arrived
