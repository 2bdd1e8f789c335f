"""Steps -> frames: two TCP stacks play what the ladder tells, and a capture point between them watches.

The ladder says who acts and when; here live the rest of RFC 9293 that makes a trace look real: sequence numbers, delayed
acknowledgements, segments of the negotiated size, retransmissions, duplicate acknowledgements with SACK, resets in the two
shapes that real stacks send (an abort: RST+ACK with timestamps and a live window; an answer for a socket that is gone: a
bare RST with window 0 and IP ID 0, in the place that the provoking ACK named), timestamps and IP IDs that count on.

Time is global; a frame is *seen* at the capture point between its departure and its arrival. Whatever a host sends
acknowledges only what had arrived by then, so that segments cross as they do on a real path.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from . import wire
from .language import Conversation, LadderError, Scene, Step
from .stack import ACK, FIN, PSH, RST, SYN, Packer, Segment, Stack, segment_size

DELAYED_ACK_US = 40_000
BACK_TO_BACK_US = 12
KERNEL_US = 45
"""How long a kernel takes to answer by itself."""
REFUSALS_US = 500_000
"""net.ipv4.tcp_invalid_ratelimit."""
INITIAL_WINDOW = 10
"""Segments (RFC 6928)."""


class _Player:
    """The event loop."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.events: list[tuple[int, int, int, Callable[[], None]]] = []
        self.serial = itertools.count()
        self.frames: list[tuple[int, int, bool, bytes]] = []
        self.stacks: dict[tuple[int, bool], Stack] = {}
        self.sent: dict[tuple[int, bool], bytes] = {}
        self.packer = Packer()
        self.now = 0

    # --- time -------------------------------------------------------------------------------------------------------

    def delay(self, from_client: bool) -> int:
        return self.scene.client_us if from_client else self.scene.server_us

    def at(self, time_us: int, priority: int, act: Callable[[], None]) -> None:
        """Arrivals (0) come before what is sent in the same microsecond (1)."""
        heapq.heappush(self.events, (time_us, priority, next(self.serial), act))

    def run(self) -> None:
        for step in self.scene.steps:
            # A device that speaks by itself stands at the capture point and knows what has passed there.
            departs = step.at_us - (0 if "forged" in step.odd or step.what == "icmp" else self.delay(step.from_client))
            self.at(departs, 1, lambda step=step: self.act(step))  # type: ignore[misc]
        while self.events:
            self.now, _, _, act = heapq.heappop(self.events)
            act()

    # --- what the ladder says ---------------------------------------------------------------------------------------

    def stack(self, conversation: Conversation, client: bool) -> Stack:
        key = (conversation.number, client)
        if key not in self.stacks:
            self.stacks[key] = Stack.of(conversation, client)
        return self.stacks[key]

    def act(self, step: Step) -> None:
        stack = self.stack(step.conversation, step.from_client)
        if step.what == "forget":
            stack.gone = True
        elif step.what == "icmp":
            self.icmp(step)
        elif "forged" in step.odd:
            self.forge(step)
        elif "again" in step.odd:
            self.again(step, stack)
        elif step.flags & RST:
            self.reset(step, stack)
        else:
            if "window" in step.odd:
                stack.window = int(step.odd["window"])
            self.write(step, stack)

    def write(self, step: Step, stack: Stack) -> None:
        """What a program wrote, cut into segments; bursts grow as in slow start."""
        size = int(step.odd.get("segments", "0")) or segment_size(step.conversation)
        pieces = [step.payload[at : at + size] for at in range(0, len(step.payload), size)] or [b""]
        departs, sent_in_burst, burst = self.now, 0, INITIAL_WINDOW
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            flags = step.flags | ACK if not step.flags & SYN else step.flags
            flags = flags | (PSH if piece else 0) if last else ACK
            arrives = step.arrives and not (step.odd.get("full") == "lost" and len(piece) == size)
            offset = stack.next - 1 if "keep-alive" in step.odd else stack.next
            offset += int(step.odd.get("seq", "0"))
            segment = Segment(step.from_client, offset, stack.expected, flags, piece, "timestamps" in step.odd)
            self.send(step, stack, segment, departs, arrives)
            if offset == stack.next and segment.end > offset:
                stack.history.append(segment)
                stack.next = segment.end
            sent_in_burst += 1
            departs += BACK_TO_BACK_US
            if sent_in_burst == burst:
                departs += 2 * (self.scene.client_us + self.scene.server_us)
                sent_in_burst, burst = 0, burst * 2
        stack.unacknowledged = 0
        stack.synchronized = True
        if step.flags & FIN:
            stack.passive = stack.fin_received
            stack.closed = step.odd.get("half") != "close"

    def again(self, step: Step, stack: Stack) -> None:
        """The retransmission timer (RFC 6298): the oldest segment that was not acknowledged."""
        waiting = [old for old in stack.history if old.end > stack.heard_ack or "even" in step.odd]
        if not waiting:
            raise LadderError(f"line {step.line}: nothing is left to be sent again")
        old = waiting[0]
        octets, flags = old.payload, old.flags
        if size := int(step.odd.get("segments", "0")):  # a smaller path MTU: everything is cut anew
            octets, flags = b"".join(each.payload for each in waiting), waiting[-1].flags
        for at in range(0, len(octets) or 1, size or len(octets) or 1):
            piece = octets[at : at + size] if size else octets
            segment = Segment(step.from_client, old.offset + at, stack.expected, flags, piece)
            lost = step.odd.get("full") == "lost" and len(piece) == segment_size(step.conversation)
            self.send(step, stack, segment, self.now + at // 100, step.arrives and not lost)

    def reset(self, step: Step, stack: Stack) -> None:
        """RST+ACK is an abort, or the refusal of a SYN; a bare RST stands where the other side's ACK had it."""
        bare = not step.flags & ACK
        offset = stack.heard_ack if bare else stack.next
        segment = Segment(
            step.from_client, offset + int(step.odd.get("seq", "0")), stack.expected, step.flags, step.payload
        )
        self.send(step, stack, segment, self.now, step.arrives)
        stack.gone = True

    def forge(self, step: Step) -> None:
        """Some device speaks for a side: the packet fits what the receiver expects, and the claimed side knows nothing of it."""
        receiver = self.stack(step.conversation, not step.from_client)
        claimed = self.stack(step.conversation, step.from_client)
        offset = receiver.expected + int(step.odd.get("seq", "0"))
        flags = step.flags if step.flags & RST else step.flags | ACK
        segment = Segment(
            step.from_client, offset, receiver.next, flags, step.payload, step.odd.get("timestamps") == "stale"
        )
        self.send(step, claimed, segment, self.now - self.delay(step.from_client), step.arrives)

    def icmp(self, step: Step) -> None:
        """An error to the side that the arrow points to; it quotes what that side sent last."""
        to_client = not step.from_client
        quoted = wire.one_hop_on(self.sent[step.conversation.number, to_client])
        receiver = step.conversation.client if to_client else step.conversation.server
        kind, code = (int(number) for number in step.odd["ICMP"].split("/"))
        packet = wire.icmp_error(
            step.odd["from"],
            receiver.address,
            kind,
            code,
            mtu=int(step.odd.get("mtu", "0")),
            ttl=int(step.odd.get("ttl", "63")),
            quoted=quoted,
        )
        self.see(step.at_us, step.from_client, packet, step.captured)

    # --- what the kernels do ----------------------------------------------------------------------------------------

    def arrive(self, conversation: Conversation, segment: Segment, tsval: int) -> None:
        stack = self.stack(conversation, not segment.from_client)
        if stack.gone:
            self.answer_for_no_socket(conversation, stack, segment)
            return
        if segment.flags & RST:
            self.arrive_reset(conversation, stack, segment)
            return
        if segment.stale:  # RFC 7323 section 5.3: an acceptable ACK is sent, the segment dropped
            self.acknowledge(conversation, stack)
            return
        if segment.flags & ACK:
            if segment.ack > max(stack.next, 0):
                self.refuse(conversation, stack)
                return
            stack.heard_ack = max(stack.heard_ack, segment.ack)
        if segment.offset <= stack.expected:
            stack.recent_ms = tsval
        if segment.end > segment.offset:
            self.arrive_octets(conversation, stack, segment)
        elif segment.offset < stack.expected:  # keep-alive or window probe
            self.acknowledge(conversation, stack)
        if stack.passive and stack.closed and stack.heard_ack >= stack.next:
            stack.gone = True  # LAST-ACK is over

    def refuse(self, conversation: Conversation, stack: Stack) -> None:
        """RFC 9293 section 3.10.7.4: "If the ACK acks something not yet sent (SEG.ACK > SND.NXT), then send an ACK, drop the
        segment, and return." Linux does so twice a second at most, or two sides could go on for ever."""
        if stack.refused_us is None or self.now - stack.refused_us > REFUSALS_US:
            stack.refused_us = self.now
            self.acknowledge(conversation, stack)

    def arrive_octets(self, conversation: Conversation, stack: Stack, segment: Segment) -> None:
        if stack.closed and segment.payload and segment.end > stack.expected:
            self.answer_for_no_socket(conversation, stack, segment)
            stack.gone = True
            return
        old, hole = segment.end <= stack.expected, segment.offset > stack.expected
        if hole:
            stack.ahead = _joined((segment.offset, segment.end), stack.ahead)
        elif not old:
            stack.expected = segment.end
            for left, right in sorted(stack.ahead):
                if left <= stack.expected < right:
                    stack.expected = right
            filled = bool(stack.ahead)
            stack.ahead = [span for span in stack.ahead if span[1] > stack.expected]
            old = filled  # a filled hole is acknowledged at once (RFC 5681 section 4.2)
        stack.fin_received = stack.fin_received or bool(segment.flags & FIN and not hole)
        if segment.flags & SYN and not segment.flags & ACK:
            return  # the ladder says how a SYN is answered
        stack.unacknowledged += 1
        if old or hole or segment.flags & SYN or stack.unacknowledged >= 2:
            self.acknowledge(conversation, stack)
        else:
            self.at(self.now + DELAYED_ACK_US, 1, lambda: self.delayed_ack(conversation, stack))

    def delayed_ack(self, conversation: Conversation, stack: Stack) -> None:
        if stack.unacknowledged and not stack.gone:
            self.acknowledge(conversation, stack)

    def arrive_reset(self, conversation: Conversation, stack: Stack, segment: Segment) -> None:
        """RFC 5961 section 3.2: only the exact place is obeyed, inside the window draws a challenge ACK."""
        if segment.offset == stack.expected or not stack.synchronized or stack.expected < 0:
            stack.gone = True
        elif stack.expected < segment.offset < stack.expected + 65535:
            self.acknowledge(conversation, stack)

    def acknowledge(self, conversation: Conversation, stack: Stack) -> None:
        from_client = stack is self.stack(conversation, True)
        stack.unacknowledged = 0
        stack.next = max(stack.next, 0)
        self.kernel_sends(conversation, stack, Segment(from_client, stack.next, stack.expected, ACK, b""))

    def answer_for_no_socket(self, conversation: Conversation, stack: Stack, segment: Segment) -> None:
        """RFC 9293 section 3.5.2, group 1. A reset is never answered."""
        if not segment.flags & RST:
            self.kernel_sends(conversation, stack, Segment(not segment.from_client, segment.ack, 0, RST, b""))

    def kernel_sends(self, conversation: Conversation, stack: Stack, segment: Segment) -> None:
        departs = self.now + KERNEL_US
        step = Step(0, departs + self.delay(segment.from_client), conversation, "segment", segment.from_client)
        self.send(step, stack, segment, departs, True)

    # --- packets ----------------------------------------------------------------------------------------------------

    def send(self, step: Step, stack: Stack, segment: Segment, departs: int, arrives: bool) -> None:
        conversation, from_client = step.conversation, segment.from_client
        other = self.stack(conversation, not from_client)
        tsval = (stack.clock_ms + departs // 1000 - (600_000 if segment.stale else 0)) % 2**32
        packet = self.packer.pack(step, stack, other, segment, tsval)
        self.sent[conversation.number, from_client] = packet
        seen = departs + self.delay(from_client)
        pieces = wire.fragments(packet, int(step.odd["fragments"])) if "fragments" in step.odd else [packet]
        for number, piece in enumerate(pieces):
            self.see(seen + number, from_client, piece, step.captured, once="once" in step.odd)
        if arrives:
            self.at(seen + self.delay(not from_client), 0, lambda: self.arrive(conversation, segment, tsval))

    def see(self, at_us: int, from_client: bool, packet: bytes, captured: bool, once: bool = False) -> None:
        """The capture point: what it is set to keep, once or twice."""
        settings = self.scene.settings
        only = settings.get("only")
        if not captured or (only and (only == "client") != from_client):
            return
        if not float(settings.get("starts", 0)) <= at_us / 1e6 <= float(settings.get("stops", 1e9)):
            return
        self.frames.append((at_us, next(self.serial), from_client, packet))
        if "twice" in settings and not once:
            copy = wire.one_hop_on(packet)
            self.frames.append((at_us + int(settings["twice"]), next(self.serial), from_client, copy))


def _joined(new: tuple[int, int], spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    left, right = new
    apart = []
    for span in spans:
        if span[0] <= right and left <= span[1]:
            left, right = min(left, span[0]), max(right, span[1])
        else:
            apart.append(span)
    return [(left, right), *apart]


def play(scene: Scene) -> list[wire.Captured]:
    """The frames of a scene in the order in which the capture point saw them."""
    player = _Player(scene)
    player.run()
    return [
        # What the capturing host itself sends has not been on a wire yet: not padded.
        wire.Captured(scene.begins_us + at, wire.ethernet(packet, from_client, padded=player.delay(from_client) > 0))
        for at, _, from_client, packet in sorted(player.frames, key=lambda frame: frame[:2])
    ]
