"""The fast path of a conversation: a whole run of ordinary segments taken in at once.

It must leave the conversation exactly as the walk segment by segment would; the tests compare the two.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from pcapdiag.making import maker
from pcapdiag.model import Moment
from pcapdiag.tcp.closing import FinNote
from pcapdiag.tcp.connection import Marks
from pcapdiag.tcp.conversation import Conversation
from pcapdiag.tcp.flow import SIDES, Flow
from pcapdiag.tcp.rows import Ints
from pcapdiag.tcp.runs import Run, Runs, RunSide
from pcapdiag.tcp.seq import MASK, distance, offset_near

_moment = maker(Moment)
_marks = maker(Marks)


def open_run(conversation: Conversation, run: Run, client_is_lower: bool, octets: memoryview) -> None:
    """Take in the opening of a run that begins a new conversation; `take_run` must follow."""
    client, server = conversation.flows
    first, second = (run.lower, run.higher) if client_is_lower else (run.higher, run.lower)
    client.isn, server.isn = first.first_seq, second.first_seq
    client.number_from(first.first_seq + 1)
    server.number_from(second.first_seq + 1)
    conversation.offered(client, octets, run.syn_at, run.syn_end)
    conversation.offered(server, octets, run.synack_at, run.synack_end)
    opening, capture = conversation.opening, run.capture
    client.first = conversation.first
    server.first = answered = _moment((second.first_ns, capture, second.first_frame))
    opening.syn(0, False, conversation.first)
    opening.syn(1, True, answered)
    opening.complete = _moment((run.complete_ns, capture, run.complete_frame))


def continues(conversation: Conversation, run: Run, client_is_lower: bool) -> bool:
    """Whether the first rows of both sides are what the conversation expects next."""
    if conversation.delivery.stuck_since is not None or conversation.over or conversation.ledger.notes:
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


def take_run(conversation: Conversation, run: Run, runs: Runs, octets: memoryview, client_is_lower: bool) -> None:
    """Take in a run that continues or opens the conversation."""
    client, server = conversation.flows
    begin, end, closes, capture = run.begin, run.end, run.closes, run.capture
    numbering = ((client.base or 0, client.top), (server.base or 0, server.top))
    kept = conversation.sample.add_run(runs.rows, begin, end, client_is_lower, numbering)
    conversation.copies.went_by(kept, client_is_lower, end - begin)
    if closes or conversation.ledger.lacks_letters:
        letters = runs.letters[begin:end]
        conversation.ledger.add_letters((letters if client_is_lower else letters.swapcase()).decode("ascii"))
    _hand_out(conversation, run, runs, octets, client_is_lower)
    first, second = (run.lower, run.higher) if client_is_lower else (run.higher, run.lower)
    sides = [each for each in ((client, server, first), (server, client, second)) if each[2].packets]
    for flow, other, side in sides:
        _account(conversation, flow, other, side, capture)
    for flow, other, side in sides:
        _largest(flow, other, side, run, runs)
    if closes:
        _close(conversation, run, first, second)
    for last in client.last, server.last:
        if last is not None and last > conversation.last:
            conversation.last = last


def _hand_out(conversation: Conversation, run: Run, runs: Runs, octets: memoryview, client_is_lower: bool) -> None:
    """Consecutive payloads of one side become one call of the observer."""
    begin_chunk, end_chunk, capture = run.chunk, run.chunk_end, run.capture
    all_chunks, sent_by_lower, starts, stops, lengths, times, frames = runs.payload
    data, cut = conversation.delivery.observer.data, octets.__getitem__
    flows = conversation.flows if client_is_lower else conversation.flows[::-1]
    higher, lower = flows[1], flows[0]
    tops = [higher.top, lower.top]
    sides = SIDES[higher.index], SIDES[lower.index]
    passed: tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]] = ([], [])
    chunks = all_chunks[begin_chunk : end_chunk + 1]
    begin = chunks[0]
    for which, end in zip(sent_by_lower[begin_chunk:end_chunk], chunks[1:], strict=True):
        offset = tops[which]
        if end - begin == 1:
            joined = octets[starts[begin] : stops[begin]].tobytes()
            tops[which] = offset + len(joined)
            data(sides[which], offset, joined, _moment((times[begin], capture, frames[begin])))
        else:
            joined = b"".join(map(cut, map(slice, starts[begin:end], stops[begin:end])))
            offsets = list(accumulate(lengths[begin:end], initial=offset))
            tops[which] = offsets.pop()
            data(sides[which], offset, joined, _marks((offsets, times[begin:end], frames[begin:end], capture)))
        passed[which].append((offset, joined))
        begin = end
    for flow, top, pieces in zip((higher, lower), tops, passed, strict=True):
        if pieces:
            flow.top = top
            flow.reassembly.passed_by(pieces, top)


def _account(conversation: Conversation, flow: Flow, other: Flow, side: RunSide, capture: int) -> None:
    """Counters, last values, and what the side acknowledged."""
    (
        packets, _, first_ns, first_frame, _, _, _, _, first_tsval, last_ns, last_frame, last_ack, last_window, last_tsval,
        ttl, zero_ids, _, widest, _, _, news_ns, news_frame, advance_ns, advance_frame, *_,
    ) = side  # fmt: skip
    flow.packets += packets
    flow.ttls[ttl] = flow.ttls.get(ttl, 0) + packets
    flow.ip_id_zero += zero_ids
    flow.last = last = _moment((last_ns, capture, last_frame))
    if flow.first is None:
        flow.first = _moment((first_ns, capture, first_frame))
    if news_ns >= 0:
        flow.last_news = last if news_frame == last_frame else _moment((news_ns, capture, news_frame))
    flow.window = last_window
    if flow.scale is not None and widest << flow.scale > flow.max_window:
        flow.max_window = widest << flow.scale
    if last_tsval >= 0:
        if flow.clock_first is None:
            flow.clock_first = (first_ns, first_tsval)
        flow.clock_last = (last_ns, last_tsval)
    if conversation.opening.complete is None:
        conversation.opening.acknowledges(flow.index, _moment((first_ns, capture, first_frame)), other.isn is not None)
    assert other.base is not None
    ack = offset_near(last_ack, other.base, other.top)
    if ack > other.acked:
        if advance_ns < 0:
            advance_ns, advance_frame = first_ns, first_frame
        flow.last_advance = last if advance_frame == last_frame else _moment((advance_ns, capture, advance_frame))
        other.acknowledged(ack)
    flow.last_ack = ack


def _largest(flow: Flow, other: Flow, side: RunSide, run: Run, runs: Runs) -> None:
    """Its longest segments: how many are longer than the path's, which were acknowledged within the run, which wait for it."""
    largest, full = side.largest, flow.full_segment(other)
    if largest > full:
        flow.super_packets += int(np.count_nonzero(runs.columns.length[_own_rows(side, run, runs)] > full))
    acked = side.acked
    flow.largest_acked = acked if acked > flow.largest_acked else flow.largest_acked
    if not side.waiting or largest <= flow.largest_acked:
        return
    payload, ours = runs.payload, runs.columns.forward[side.first_row]
    waiting: list[int] = []
    for chunk in range(run.chunk_end - 1, run.chunk - 1, -1):
        if payload.lower[chunk] == ours:
            begin, end = payload.chunks[chunk], payload.chunks[chunk + 1]
            waiting[:0] = payload.lengths[max(begin, end - side.waiting + len(waiting)) : end]
            if len(waiting) == side.waiting:
                break
    end = flow.top - sum(waiting)
    for length in waiting:
        end += length
        flow.sent_one(end, length)


def _own_rows(side: RunSide, run: Run, runs: Runs) -> Ints:
    """Positions of one side's rows of a run."""
    forward = runs.columns.forward[run.begin : run.end]
    own: Ints = run.begin + np.flatnonzero(forward == runs.columns.forward[side.first_row])
    return own


def _close(conversation: Conversation, run: Run, *sides: RunSide) -> None:
    """The FINs of a run, in the order they came, and who acknowledged them."""
    capture, flows = run.capture, conversation.flows
    closed = [index for index in (0, 1) if sides[index].packets and sides[index].fin_row >= 0]
    if len(closed) == 2 and sides[1].fin_row < sides[0].fin_row:
        closed.reverse()
    for index in closed:
        flow, other, side, answer = flows[index], flows[1 - index], sides[index], sides[1 - index]
        assert other.base is not None
        flow.fin = flow.top
        acked = answer.packets and answer.acks_fin_ns >= 0
        conversation.ledger.fins.append(
            FinNote(
                _moment((side.fin_ns, capture, side.fin_frame)),
                index,
                flow.top,
                side.fin_seq,
                offset_near(side.fin_ack, other.base, other.top),
                side.ttl,
                _moment((answer.acks_fin_ns, capture, answer.acks_fin_frame)) if acked else None,
            )
        )
