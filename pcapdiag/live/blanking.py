"""The frames of a session -> the same frames without what people wrote, and without credentials: octet for octet as long.

Of each stretch of the client's octets that is no command (message content) the first `SHOWN` stay, the others become ``x``; line
ends stay, so that the end of the data is still found, and TCP checksums are corrected. Ciphertext stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from pcapdiag.analysis import Judged
from pcapdiag.capture.table import SYN
from pcapdiag.live.kept import Frame
from pcapdiag.slices.checksums import total, updated
from pcapdiag.smtp.dialogue import Command
from pcapdiag.tcp.seq import MASK, distance

SHOWN = 256
_BLANK = bytes(octet if octet in b"\r\n" else ord("x") for octet in range(256))
_CHECKSUM = 16

Stretch = tuple[int, int]
"""From one offset of the client's stream up to another one."""


def blanked(frames: list[Frame], judged: Judged) -> Iterator[Frame]:
    """The frames as they may be kept."""
    client, dialogue = judged.session.client, judged.session.dialogue
    if dialogue.tls is not None and dialogue.tls.implicit:
        yield from frames
        return
    base = next((frame.seq + 1 for frame in frames if frame.sender == client and frame.flags & SYN), None)
    ciphered = None
    if dialogue.tls is not None:
        starts = [
            frame.seq for frame in frames if frame.sender == client and frame.time_ns >= dialogue.tls.start.time_ns
        ]
        ciphered = starts[0] if starts else None
    shown = list(_shown(judged))
    for frame in frames:
        size = len(frame.octets) - frame.payload_at
        if (
            frame.sender != client
            or size <= 0
            or frame.flags & SYN
            or (ciphered is not None and distance(frame.seq, ciphered) >= 0)
        ):
            yield frame
        elif base is None:  # where in the stream it stands is not known
            yield _rewritten(frame, [(0, min(size, SHOWN // 8))])
        else:
            offset = (frame.seq - base) & MASK
            yield _rewritten(frame, [(begin - offset, end - offset) for begin, end in shown])


def _shown(judged: Judged) -> Iterator[Stretch]:
    """What of the client's stream may be seen: commands without secrets, and how content begins."""
    behind, secret = 0, False
    for entry in judged.session.dialogue.entries:
        if not isinstance(entry, Command):
            continue
        if entry.offset > behind and not secret:
            yield behind, min(behind + SHOWN, entry.offset)
        if entry.verb == b"AUTH":
            yield entry.offset, min(entry.end, entry.offset + len(b"AUTH ") + len(entry.argument))
        elif entry.verb != b"*":  # a line of an AUTH exchange
            yield entry.offset, entry.end
        behind, secret = max(behind, entry.end), entry.verb in (b"AUTH", b"*")
    if not secret:  # else half a line may be one
        yield behind, behind + SHOWN


def _rewritten(frame: Frame, shown: list[Stretch]) -> Frame:
    """The frame with all of its payload blanked but these stretches of it."""
    before = frame.octets[frame.payload_at :]
    after = bytearray(before.translate(_BLANK))
    for begin, end in shown:
        place = slice(max(begin, 0), max(min(end, len(before)), 0))
        after[place] = before[place]
    if after == before:
        return frame
    octets = bytearray(frame.octets)
    octets[frame.payload_at :] = after
    at = frame.tcp_at + _CHECKSUM
    checksum = int.from_bytes(octets[at : at + 2])  # the payload begins at an even place of what it covers
    octets[at : at + 2] = updated(checksum, total(before), total(bytes(after))).to_bytes(2)
    return frame._replace(octets=bytes(octets))
