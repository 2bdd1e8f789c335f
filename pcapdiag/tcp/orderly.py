"""The fast path of a conversation: a whole run of in-order segments taken in at once.

It must leave the conversation exactly as the walk segment by segment would; the tests compare the two.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from pcapdiag.model import Moment
from pcapdiag.tcp.connection import Marks
from pcapdiag.tcp.conversation import Conversation
from pcapdiag.tcp.flow import SIDES, Flow
from pcapdiag.tcp.runs import Packed, Run, Runs, RunSide
from pcapdiag.tcp.seq import MASK, distance, offset_near

Sent = tuple[list[tuple[int, int]], list[tuple[int, int]]]
"""End and length of every segment with payload, of client and server."""


def take_run(
    conversation: Conversation, run: Run, runs: Runs, octets: bytes | memoryview, client_is_lower: bool
) -> bool:
    """Take in a run; False, with nothing done, when it does not continue what the conversation knows."""
    sides = run.sides if client_is_lower else run.sides[::-1]
    if not _continues(conversation, run, sides):
        return False
    flows = conversation.flows
    rows = runs.rows[run.begin : run.end]
    capture = int(rows["capture"][0])
    numbering = ((flows[0].base or 0, flows[0].top), (flows[1].base or 0, flows[1].top))
    last = conversation.sample.add_run(rows, client_is_lower, numbering)
    conversation.copies.went_by(last, client_is_lower, len(rows))
    if conversation.ledger.lacks_letters:
        _letters(conversation, rows, client_is_lower)
    sent = _hand_out(conversation, run, runs, octets, client_is_lower)
    for flow, side in zip(flows, sides, strict=True):
        if side.packets:
            _account(flow, flows[1 - flow.index], side, rows, client_is_lower)
    for flow, side in zip(flows, sides, strict=True):
        if side.packets:
            _acknowledge(conversation, flow, flows[1 - flow.index], side, capture)
    for flow in flows:
        _largest(flow, sent[flow.index])
    conversation.last = max(conversation.last, *(flow.last for flow in flows if flow.last))
    return True


def _continues(conversation: Conversation, run: Run, sides: tuple[RunSide, ...]) -> bool:
    """Whether the first rows of both sides are what the conversation expects next."""
    if conversation.over or conversation.delivery.stuck_since is not None:
        return False
    flows = conversation.flows
    opener = 0 if sides[0].packets and sides[0].first_row == run.begin else 1
    listener = flows[1 - opener]
    # What the opener acknowledges before the listener's first row was not compared with anything yet.
    if listener.base is None or distance((listener.base + listener.top) & MASK, run.before_turn) < 0:
        return False
    return all(_continues_side(flow, flows[1 - flow.index], side) for flow, side in zip(flows, sides, strict=True))


def _continues_side(flow: Flow, other: Flow, side: RunSide) -> bool:
    if flow.reassembly.pieces or flow.reassembly.next != flow.top or flow.acked > flow.top:
        return False
    if not side.packets:
        return True
    if flow.base is None or other.base is None or other.window == 0:
        return False
    if side.first_seq != (flow.base + flow.top) & MASK:
        return False
    if side.first_tsval >= 0 and flow.clock_last is not None and distance(side.first_tsval, flow.clock_last[1]) < 0:
        return False
    advance = offset_near(side.first_ack, other.base, other.top) - flow.last_ack
    return advance > 0 or (advance == 0 and (side.first_length > 0 or side.first_window > (flow.window or 0)))


def _letters(conversation: Conversation, rows: Packed, client_is_lower: bool) -> None:
    ledger = conversation.ledger
    for lower, length in zip(rows["lower"].tolist(), rows["seg_len"].tolist(), strict=True):
        ledger.letter("D" if length else "A", 0 if lower == client_is_lower else 1)
        if not ledger.lacks_letters:
            return


def _hand_out(
    conversation: Conversation, run: Run, runs: Runs, octets: bytes | memoryview, client_is_lower: bool
) -> Sent:
    """Consecutive payloads of one side become one call of the observer."""
    payload = runs.payload
    chunks = payload.chunks[run.chunk : run.chunk_end + 1]
    first, span = chunks[0], slice(chunks[0], chunks[-1])
    places, lengths = payload.at[span].tolist(), payload.length[span].tolist()
    times, frames = payload.time_ns[span].tolist(), payload.frame[span].tolist()
    capture = int(runs.rows["capture"][run.begin])
    observer = conversation.delivery.observer
    sent: Sent = ([], [])
    for lower, begin, end in zip(payload.lower[run.chunk : run.chunk_end], chunks, chunks[1:], strict=False):
        own = slice(begin - first, end - first)
        flow = conversation.flows[0 if lower == client_is_lower else 1]
        start, sizes = flow.top, lengths[own]
        edges = list(accumulate(sizes, initial=start))
        joined = b"".join([octets[at : at + size] for at, size in zip(places[own], sizes, strict=True)])
        sent[flow.index].extend(zip(edges[1:], sizes, strict=True))
        flow.top = edges.pop()
        observer.data(SIDES[flow.index], start, joined, Marks(edges, times[own], frames[own], capture))
        flow.reassembly.passed(flow.top, joined)
    return sent


def _account(flow: Flow, other: Flow, side: RunSide, rows: Packed, client_is_lower: bool) -> None:
    """Counters and last values."""
    capture = int(rows["capture"][0])
    flow.packets += side.packets
    flow.ttls[side.ttl] = flow.ttls.get(side.ttl, 0) + side.packets
    flow.ip_id_zero += side.zero_ids
    if flow.first is None:
        flow.first = Moment(side.first_ns, capture, side.first_frame)
    flow.last = Moment(side.last_ns, capture, side.last_frame)
    if side.news_ns >= 0:
        flow.last_news = Moment(side.news_ns, capture, side.news_frame)
    flow.window = side.last_window
    if flow.scale is not None:
        flow.max_window = max(flow.max_window, side.widest << flow.scale)
    if side.last_tsval >= 0:
        flow.clock_first = flow.clock_first or (side.first_ns, side.first_tsval)
        flow.clock_last = (side.last_ns, side.last_tsval)
    full = flow.full_segment(other)
    if side.largest > full:
        mine = rows["lower"] == (client_is_lower == (flow.index == 0))
        flow.super_packets += int(np.count_nonzero(mine & (rows["seg_len"] > full)))


def _acknowledge(conversation: Conversation, flow: Flow, other: Flow, side: RunSide, capture: int) -> None:
    assert other.base is not None
    first = Moment(side.first_ns, capture, side.first_frame)
    conversation.opening.acknowledges(flow.index, first, other.isn is not None)
    ack = offset_near(side.last_ack, other.base, other.top)
    if ack > other.acked:
        flow.last_advance = first if side.advance_ns < 0 else Moment(side.advance_ns, capture, side.advance_frame)
        other.acknowledged(ack)
    flow.last_ack = ack


def _largest(flow: Flow, sent: list[tuple[int, int]]) -> None:
    """Which of its segments were acknowledged within the run, and which wait for it."""
    waiting = []
    for end, length in reversed(sent):
        if end > flow.acked:
            waiting.append((end, length))
        elif length > flow.largest_acked:
            flow.largest_acked = length
    for end, length in reversed(waiting):
        flow.sent_one(end, length)
