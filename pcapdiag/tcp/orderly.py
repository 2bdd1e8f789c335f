"""The fast path of a conversation: a whole run of ordinary segments taken in at once.

It must leave the conversation exactly as the walk segment by segment would; the tests compare the two.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from pcapdiag.model import Moment
from pcapdiag.tcp.closing import FinNote
from pcapdiag.tcp.connection import Marks
from pcapdiag.tcp.conversation import Conversation
from pcapdiag.tcp.flow import SIDES, Flow
from pcapdiag.tcp.runs import Run, Runs, RunSide
from pcapdiag.tcp.seq import MASK, distance, offset_near


def open_run(conversation: Conversation, run: Run, runs: Runs, octets: bytes | memoryview) -> None:
    """Take in SYN and SYN+ACK of a run that opens a new conversation; `take_run` must follow."""
    columns, begin = runs.columns, run.begin
    flows = conversation.flows
    for flow, row in zip(flows, (begin, begin + 1), strict=True):
        flow.isn = int(columns.seq[row])
        flow.number_from(flow.isn + 1)
        at = columns.order[row]
        conversation.offered(flow, octets, int(columns.table.tcp_at[at]), int(columns.table.payload_at[at]))
        moment = Moment(int(columns.time_ns[row]), run.capture, int(columns.frame[row]))
        conversation.opening.syn(flow.index, flow.index == 1, moment)
    third = begin + 2
    conversation.opening.complete = Moment(int(columns.time_ns[third]), run.capture, int(columns.frame[third]))


def continues(conversation: Conversation, run: Run, client_is_lower: bool) -> bool:
    """Whether the first rows of both sides are what the conversation expects next."""
    if conversation.delivery.stuck_since is not None or conversation.over:
        return False
    if run.closes and conversation.ledger.fins:
        return False
    client, server = conversation.flows
    first, second = (run.lower, run.higher) if client_is_lower else (run.higher, run.lower)
    listener = server if first.packets and first.first_row == run.begin else client
    # What the opener acknowledges before the listener's first row was not compared with anything yet.
    if listener.base is None or distance((listener.base + listener.top) & MASK, run.before_turn) < 0:
        return False
    return _continues_side(client, server, first) and _continues_side(server, client, second)


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
    if side.fin_row == side.first_row:
        return True
    advance = offset_near(side.first_ack, other.base, other.top) - flow.last_ack
    return advance > 0 or (advance == 0 and (side.first_length > 0 or side.first_window > (flow.window or 0)))


def take_run(
    conversation: Conversation, run: Run, runs: Runs, octets: bytes | memoryview, client_is_lower: bool
) -> None:
    """Take in a run that continues or opens the conversation."""
    client, server = conversation.flows
    rows = runs.rows[run.begin : run.end]
    numbering = ((client.base or 0, client.top), (server.base or 0, server.top))
    last = conversation.sample.add_run(rows, client_is_lower, numbering)
    conversation.copies.went_by(last, client_is_lower, run.end - run.begin)
    if run.closes or conversation.ledger.lacks_letters:
        letters = runs.letters[run.begin : run.end].decode("ascii")
        conversation.ledger.add_letters(letters if client_is_lower else letters.swapcase())
    _hand_out(conversation, run, runs, octets, client_is_lower)
    first, second = (run.lower, run.higher) if client_is_lower else (run.higher, run.lower)
    if first.packets:
        _account(client, server, first, run, runs)
    if second.packets:
        _account(server, client, second, run, runs)
    if first.packets:
        _acknowledge(conversation, client, server, first, run)
    if second.packets:
        _acknowledge(conversation, server, client, second, run)
    for flow, side in ((client, first), (server, second)):
        if side.packets:
            _largest(flow, side, run, runs)
    if run.closes:
        _close(conversation, run, runs, first, second)
    conversation.last = max([conversation.last, *[flow.last for flow in (client, server) if flow.last is not None]])


def _hand_out(
    conversation: Conversation, run: Run, runs: Runs, octets: bytes | memoryview, client_is_lower: bool
) -> None:
    """Consecutive payloads of one side become one call of the observer."""
    payload, begin_chunk, end_chunk = runs.payload, run.chunk, run.chunk_end
    spans, lengths, times, frames = payload.spans, payload.lengths, payload.times_ns, payload.frames
    capture, data = run.capture, conversation.delivery.observer.data
    flows = conversation.flows if client_is_lower else conversation.flows[::-1]
    tops = [flows[0].top, flows[1].top]
    sides = SIDES[flows[0].index], SIDES[flows[1].index]
    passed: tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]] = ([], [])
    chunks = payload.chunks[begin_chunk : end_chunk + 1]
    begin = chunks[0]
    for lower, end in zip(payload.lower[begin_chunk:end_chunk], chunks[1:], strict=True):
        which = 0 if lower else 1
        start = tops[which]
        if end - begin == 1:
            joined = bytes(octets[spans[begin]])
            marks = Marks((start,), (times[begin],), (frames[begin],), capture)
            tops[which] = start + lengths[begin]
        else:
            edges = list(accumulate(lengths[begin:end], initial=start))
            joined = b"".join([octets[span] for span in spans[begin:end]])
            tops[which] = edges.pop()
            marks = Marks(edges, times[begin:end], frames[begin:end], capture)
        data(sides[which], start, joined, marks)
        passed[which].append((start, joined))
        begin = end
    for flow, top, octets_of in zip(flows, tops, passed, strict=True):
        if octets_of:
            flow.top = top
            flow.reassembly.passed_by(octets_of, top)


def _account(flow: Flow, other: Flow, side: RunSide, run: Run, runs: Runs) -> None:
    """Counters and last values."""
    capture = run.capture
    flow.packets += side.packets
    ttls = flow.ttls
    ttls[side.ttl] = ttls.get(side.ttl, 0) + side.packets
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
        rows = runs.columns.length[_own_rows(side, run, runs)]
        flow.super_packets += int(np.count_nonzero(rows > full))


def _acknowledge(conversation: Conversation, flow: Flow, other: Flow, side: RunSide, run: Run) -> None:
    assert other.base is not None
    first = Moment(side.first_ns, run.capture, side.first_frame)
    conversation.opening.acknowledges(flow.index, first, other.isn is not None)
    ack = offset_near(side.last_ack, other.base, other.top)
    if ack > other.acked:
        flow.last_advance = first if side.advance_ns < 0 else Moment(side.advance_ns, run.capture, side.advance_frame)
        other.acknowledged(ack)
    flow.last_ack = ack


def _largest(flow: Flow, side: RunSide, run: Run, runs: Runs) -> None:
    """Which of its segments were acknowledged within the run, and which wait for it."""
    flow.largest_acked = max(flow.largest_acked, side.acked)
    if not side.waiting:
        return
    lengths = runs.columns.length[_own_rows(side, run, runs)]
    waiting = lengths[lengths > 0][-side.waiting :].tolist()
    end = flow.top - sum(waiting)
    for length in waiting:
        end += length
        flow.sent_one(end, length)


def _own_rows(side: RunSide, run: Run, runs: Runs) -> np.ndarray:
    """Positions of one side's rows of a run."""
    forward = runs.columns.forward[run.begin : run.end]
    return run.begin + np.flatnonzero(forward == forward[side.first_row - run.begin])


def _close(conversation: Conversation, run: Run, runs: Runs, *sides: RunSide) -> None:
    """The FINs of a run, in the order they came, and who acknowledged them."""
    columns = runs.columns
    closed = [
        (side, flow) for side, flow in zip(sides, conversation.flows, strict=True) if side.packets and side.fin_row >= 0
    ]
    for side, flow in sorted(closed, key=lambda one: one[0].fin_row):
        row, other = side.fin_row, conversation.flows[1 - flow.index]
        assert other.base is not None
        at = Moment(int(columns.time_ns[row]), run.capture, int(columns.frame[row]))
        ack = offset_near(int(columns.ack[row]), other.base, other.top)
        flow.fin = flow.top
        conversation.ledger.fins.append(FinNote(at, flow.index, flow.top, int(columns.seq[row]), ack, side.ttl))
        answer = sides[1 - flow.index]
        if answer.packets and answer.fin_acked_row >= 0:
            row = answer.fin_acked_row
            conversation.ledger.fins[-1].acked = Moment(int(columns.time_ns[row]), run.capture, int(columns.frame[row]))
