"""The rule of delivery: which moves a status allows, whatever order the news come in."""

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.messaging.delivery import (
    FINAL,
    MAX_TRIES,
    PAUSES,
    MessageStatus,
    may_move,
    may_resend,
    pause_after,
    status_of_twilio,
)

S = MessageStatus


@pytest.mark.parametrize(
    ("current", "allowed"),
    [
        (S.QUEUED, {S.SENDING, S.FAILED}),
        (S.SENDING, {S.QUEUED, S.SENT, S.UNKNOWN, S.DELIVERED, S.UNDELIVERED, S.FAILED}),
        (S.UNKNOWN, {S.SENT, S.DELIVERED, S.UNDELIVERED, S.FAILED}),
        (S.SENT, {S.DELIVERED, S.UNDELIVERED, S.FAILED}),
        (S.DELIVERED, set()),
        (S.UNDELIVERED, set()),
        (S.FAILED, set()),
    ],
)
def test_the_table_of_moves(current: S, allowed: set[S]) -> None:
    assert {to for to in S if may_move(current, to)} == allowed


@given(st.lists(st.sampled_from([S.SENT, S.DELIVERED, S.UNDELIVERED, S.FAILED, S.UNKNOWN])))
def test_news_never_lead_backwards_nor_to_another_attempt(news: list[S]) -> None:
    status = S.SENDING
    seen = [status]
    for told in news:
        if may_move(status, told):
            status = told
            seen.append(status)
    assert S.QUEUED not in seen
    assert len(seen) == len(set(seen))
    assert all(one not in FINAL for one in seen[:-1])


def test_any_order_of_twilios_callbacks_ends_the_same() -> None:
    for order in permutations(["queued", "sending", "sent", "delivered"]):
        status = S.SENDING
        for word in order:
            to = status_of_twilio(word)
            assert to is not None
            status = to if may_move(status, to) else status
        assert status is S.DELIVERED


def test_unknown_words_tell_nothing() -> None:
    assert status_of_twilio("receiving") is None
    assert status_of_twilio("read") is S.DELIVERED
    assert status_of_twilio("canceled") is S.FAILED


def test_what_waits_or_is_being_sent_cannot_be_resent() -> None:
    assert {status for status in S if not may_resend(status)} == {S.QUEUED, S.SENDING}


def test_tries_come_to_an_end() -> None:
    pauses = [pause_after(tries) for tries in range(1, MAX_TRIES + 1)]
    assert pauses == [*PAUSES, None]
    assert sum(PAUSES, timedelta()) > timedelta(hours=23)
