"""The rows of one batch grouped by connection, with array operations only.

Rows of both directions share a key: the two ends in ascending order. Sorting one 64-bit number per row, a keyed hash of the
ends with the row number in its low bits, brings the rows of a connection together in their own order; comparing
neighbours then proves that no two connections fell together.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from itertools import compress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.table import PacketTable, address_text
from pcapdiag.making import maker
from pcapdiag.model import Endpoint
from pcapdiag.tcp.pick import pick

Key = tuple[int, int, int, int, int, int]
"""Lower end (high address, low address, port), then higher end."""

_SALT = tuple(int.from_bytes(os.urandom(8)) | 1 for _ in range(6))
"""Unpredictable, so that nobody can make connections collide on purpose."""


class Grouped(NamedTuple):
    """A batch in connection order."""

    order: npt.NDArray[np.int64]
    """Row numbers of the table: connection by connection, in row order within each."""
    forward: npt.NDArray[np.bool_]
    """By position in `order`: the lower end sent it."""
    starts: npt.NDArray[np.int64]
    """Where each connection begins in `order`, and at the end how long `order` is."""
    keys: list[Key]

    def only(self, wanted: Sequence[bool]) -> Grouped:
        """Some of the connections, chosen in the order of `keys`."""
        if all(wanted):
            return self
        chosen, sizes = np.array(wanted, np.bool_), np.diff(self.starts)
        rows = np.repeat(chosen, sizes)
        starts = np.concatenate(([0], np.cumsum(sizes[chosen])))
        return Grouped(self.order[rows], self.forward[rows], starts, list(compress(self.keys, wanted)))


def group(table: PacketTable) -> Grouped:
    """Group all rows of a table."""
    columns, forward = _ends(table)
    order, same = _sorted(columns)
    starts = np.flatnonzero(np.concatenate(([True], ~same))) if len(order) else np.zeros(0, np.int64)
    first = order[starts]
    keys: list[Key] = list(zip(*(column[first].tolist() for column in columns), strict=True))
    return Grouped(order, pick(forward, order), np.append(starts, len(order)), keys)


address_of = lru_cache(1 << 16)(address_text)
"""The text of an address; most come again and again."""


_endpoint = maker(Endpoint)


def endpoints(key: Key) -> tuple[Endpoint, Endpoint]:
    """The lower and the higher end of a key."""
    return _endpoint((address_of(key[0], key[1]), key[2])), _endpoint((address_of(key[3], key[4]), key[5]))


def _ends(table: PacketTable) -> tuple[list[npt.NDArray[np.uint64]], npt.NDArray[np.bool_]]:
    """The six numbers of the key as columns, and whether the lower end is the source."""
    source = [table.src[:, 0], table.src[:, 1], table.srcport.astype(np.uint64)]
    target = [table.dst[:, 0], table.dst[:, 1], table.dstport.astype(np.uint64)]
    forward = np.ones(len(table), np.bool_)
    for mine, its in zip(reversed(source), reversed(target), strict=True):
        forward = (mine < its) | ((mine == its) & forward)
    lower = [np.where(forward, mine, its) for mine, its in zip(source, target, strict=True)]
    higher = [np.where(forward, its, mine) for mine, its in zip(source, target, strict=True)]
    return [*lower, *higher], forward


def _sorted(columns: list[npt.NDArray[np.uint64]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Row numbers in connection order, and which of them (the first left out) belong to the connection before them."""
    count = len(columns[0])
    mixed = np.zeros(count, np.uint64)
    for column, salt in zip(columns, _SALT, strict=True):
        mixed = (mixed ^ column) * np.uint64(salt)
        mixed ^= mixed >> np.uint64(29)
    bits = np.uint64(max(count - 1, 1).bit_length())
    numbered = (mixed >> bits << bits) | np.arange(count, dtype=np.uint64)
    numbered.sort()
    order = (numbered & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    same, hashes = _same_ends(columns, order), numbered >> bits
    if np.any((hashes[1:] == hashes[:-1]) & ~same):  # two connections fell together
        order = np.lexsort(columns)
        same = _same_ends(columns, order)
    return order, same


def _same_ends(columns: list[npt.NDArray[np.uint64]], order: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether each row, in this order and the first left out, has the ends of the row before it."""
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for column in columns:
        if len(column) and (column != column[0]).any():
            ordered = pick(column, order)
            same &= ordered[1:] == ordered[:-1]
    return same
