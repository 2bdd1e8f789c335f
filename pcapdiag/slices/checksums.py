"""Checksums of the Internet (RFC 1071) after some of what they cover was replaced.

RFC 1624: from a checksum and the change of what it covers the new checksum follows, whatever else it covers. A checksum that
was right stays right, one that was wrong stays wrong by as much, and what was not captured need not be known. All sums
are taken modulo 65535, in which one's complement addition is addition.
"""

from __future__ import annotations

FULL = 0xFFFF


def total(octets: bytes) -> int:
    """The sum of the 16-bit words, modulo 65535; an odd octet is padded with zero."""
    return int.from_bytes(octets + bytes(len(octets) & 1), "big") % FULL


def updated(checksum: int, before: int, after: int) -> int:
    """The checksum when the sum of what it covers goes from `before` to `after`."""
    if before == after:
        return checksum
    covered = (FULL - checksum + after - before) % FULL
    # A sum that is zero modulo 65535 is 0xFFFF: only of zeros alone it would be 0.
    return FULL - (covered or FULL)


def is_right(covered: int) -> bool:
    """Does the sum of all, the checksum among them, say that nothing was damaged? RFC 1071 1: "all 1 bits"."""
    return covered % FULL == 0
