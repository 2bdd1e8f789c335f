"""What there is to see, and that it stays bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pcapdiag.live.view import board as module
from pcapdiag.live.view.board import MOST_FINISHED, MOST_NOTES, MOST_RUNNING, Board
from tests.live.events import dropped, opened, orderly, pulse


@pytest.fixture
def board() -> Board:
    return Board(lambda judged: judged)


def test_a_session_runs_ends_and_is_final_in_one_row(board: Board) -> None:
    board.hear(opened(7))
    (row,) = board.rows(dropped_only=False)
    assert (row.ended, row.dropped) == (False, False)
    board.look(dropped(7).judged)
    (row,) = board.rows(dropped_only=False)
    assert (row.ended, row.judged is not None) == (False, True)
    board.hear(dropped(7, final=False))
    (row,) = board.rows(dropped_only=True)
    assert (row.ended, row.final, board.numbers().ended, board.numbers().dropped) == (True, False, 1, 1)
    for _ in range(2):
        board.hear(dropped(7))
    (row,) = board.rows(dropped_only=True)
    assert (row.final, board.numbers().ended, board.numbers().dropped) == (True, 1, 1)
    board.look(dropped(7).judged)  # too late
    assert board.row(7) == row


def test_a_later_verdict_moves_the_row(board: Board) -> None:
    board.hear(dropped(1, final=False))
    assert board.numbers().dropped == 1
    board.hear(orderly(1))
    assert (board.numbers().ended, board.numbers().dropped) == (1, 0)
    assert board.rows(dropped_only=True) == []
    assert len(board.rows(dropped_only=False)) == 1


def test_the_last_news_come_first(board: Board) -> None:
    board.hear(opened(1))
    early, late = dropped(2), orderly(3)
    board.hear(early)
    board.hear(late)
    times = [row.time_ns for row in board.rows(dropped_only=False)]
    assert times == sorted(times, reverse=True)
    assert len(times) == 3


def test_floods_are_bounded_and_counted(board: Board) -> None:
    for number in range(1, 3000):
        board.hear(opened(number))
        board.hear(orderly(number + 10_000))
        board.note(f"note {number}")
    board.hear(dropped(99_999))
    for number in range(2000):
        board.hear(orderly(number + 20_000))
    assert len(board.rows(dropped_only=False)) == MOST_RUNNING + MOST_FINISHED + 1
    assert len(board.rows(dropped_only=True)) == 1, "the others pushed it out"
    assert board.numbers().ended == 2999 + 1 + 2000
    assert len(board.notes) == MOST_NOTES


def test_long_conversations_take_the_place_of_many_short_ones(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    one = orderly(1)
    weight = len(one.judged.session.dialogue.entries) + len(one.judged.session.connection.segments)
    monkeypatch.setattr(module, "MOST_WEIGHT", 5 * weight)
    for number in range(50):
        board.hear(orderly(number))
    assert len(board.rows(dropped_only=False)) == 5


def test_rates_are_those_of_the_last_seconds(board: Board) -> None:
    for second in range(1, 20):
        board.hear(replace(pulse(second), packets=0 if second < 10 else 500 * (second - 10), dropped=3, down=("eth0",)))
    numbers = board.numbers()
    assert (numbers.a_second, numbers.lost, numbers.down) == (500, 3, ("eth0",))


def test_addresses_are_shown_as_they_may_be() -> None:
    board = Board(lambda judged: judged, lambda address: f"x{address}")
    board.hear(opened(1))
    assert board.rows(dropped_only=False)[0].client.address.startswith("x")
