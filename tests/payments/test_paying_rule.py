"""May this booking be paid now, by whom, and what comes first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driveflow.bookings.lifecycle import BookingStatus, Who
from driveflow.core.errors import ConflictError, ForbiddenError
from driveflow.payments import paying
from driveflow.payments.lifecycle import PAID, PaymentStatus
from driveflow.payments.paying import (
    ATTEMPTS,
    GRACE,
    PAYABLE,
    Attempt,
    Begin,
    BookingMoney,
    CloseFirst,
    PaymentMode,
    Refused,
    Resume,
    Step,
    WaitForStripe,
)

NOW = datetime(2026, 8, 3, tzinfo=UTC)
CHECKOUT, INTENT = PaymentMode.CHECKOUT, PaymentMode.INTENT


def booking(status: BookingStatus = BookingStatus.CONFIRMED, **more: Any) -> BookingMoney:
    hold = NOW + timedelta(minutes=30) if status is BookingStatus.REQUESTED else None
    facts = {"price_cents": 9_500, "start_at": NOW + timedelta(days=3), "hold_expires_at": hold, **more}
    return BookingMoney(status, **facts)


def attempt(number: int = 1, **more: Any) -> Attempt:
    facts = {"mode": CHECKOUT, "is_made": True, "ended": False, "open_until": NOW + timedelta(minutes=30)}
    return Attempt(number, **{**facts, **more})


def step(
    of: BookingMoney,
    status: PaymentStatus | None = None,
    latest: Attempt | None = None,
    mode: PaymentMode = CHECKOUT,
    *,
    who: Who = Who.STUDENT,
    may_pay: bool = True,
) -> Step:
    return paying.next_step(of, status, latest, mode, NOW, who=who, may_pay=may_pay, payment_minutes=30)


def code(of: Step) -> str:
    assert isinstance(of, Refused), of
    return of.code


@pytest.mark.parametrize("status", sorted(PAYABLE))
def test_the_first_attempt_begins_for_every_booking_that_takes_place(status: BookingStatus) -> None:
    until = NOW + timedelta(minutes=30)
    assert step(booking(status)) == Begin(1, until, until + GRACE)


def test_a_booking_that_does_not_take_place_is_not_paid() -> None:
    for status in set(BookingStatus) - PAYABLE:
        assert code(step(booking(status))) == "not_payable"


def test_an_instructor_does_not_pay_and_a_guardian_only_by_its_link() -> None:
    for refused in (step(booking(), who=Who.INSTRUCTOR), step(booking(), who=Who.GUARDIAN, may_pay=False)):
        assert isinstance(refused, Refused)
        with pytest.raises(ForbiddenError):
            paying.enforce(refused)
    assert isinstance(step(booking(), who=Who.GUARDIAN), Begin)


def test_what_is_paid_free_or_on_its_way_is_a_conflict() -> None:
    for status in PAID:
        assert code(step(booking(), status, attempt(ended=True))) == "already_paid"
    assert code(step(booking(), PaymentStatus.PROCESSING, attempt())) == "payment_processing"
    free = step(booking(price_cents=0))
    assert isinstance(free, Refused)
    with pytest.raises(ConflictError) as raised:
        paying.enforce(free)
    assert raised.value.code == "nothing_to_pay"


def test_an_open_attempt_is_resumed_waited_for_or_closed() -> None:
    opened = PaymentStatus.INTENT_CREATED
    assert step(booking(), opened, attempt()) == Resume()
    assert step(booking(), PaymentStatus.FAILED, attempt()) == Resume()
    assert step(booking(), opened, attempt(is_made=False)) == WaitForStripe()
    assert isinstance(step(booking(), opened, attempt(), INTENT), CloseFirst)
    assert isinstance(step(booking(), opened, attempt(open_until=NOW)), CloseFirst)


def test_after_an_ended_attempt_the_next_one_begins() -> None:
    begun = step(booking(), PaymentStatus.CANCELED, attempt(3, ended=True))
    assert isinstance(begun, Begin)
    assert begun.number == 4


def test_a_request_is_paid_while_its_hold_lasts_and_a_few_times_only() -> None:
    late = booking(BookingStatus.REQUESTED, hold_expires_at=NOW)
    assert code(step(late)) == "hold_expired"
    request = booking(BookingStatus.REQUESTED)
    ended = attempt(ATTEMPTS, ended=True)
    assert code(step(request, PaymentStatus.CANCELED, ended)) == "too_many_attempts"
    assert isinstance(step(request, PaymentStatus.CANCELED, ended, who=Who.STAFF), Begin)
    assert isinstance(step(booking(), PaymentStatus.CANCELED, ended), Begin)


def test_staff_record_a_payment_when_no_page_is_open() -> None:
    assert paying.may_record(booking(), None, None) == Resume()
    assert paying.may_record(booking(), PaymentStatus.CANCELED, attempt(ended=True)) == Resume()
    assert paying.may_record(booking(), PaymentStatus.FAILED, attempt(is_made=False)) == WaitForStripe()
    assert isinstance(paying.may_record(booking(), PaymentStatus.FAILED, attempt()), CloseFirst)
    assert code(paying.may_record(booking(), PaymentStatus.REFUNDED, None)) == "already_paid"


def test_a_paid_request_that_the_school_confirms_itself_is_held_until_the_lesson() -> None:
    assert paying.hold_after_payment(booking()) == NOW + timedelta(days=3)


@settings(max_examples=1_000)
@given(
    status=st.sampled_from(BookingStatus),
    paid=st.sampled_from([None, *PaymentStatus]),
    latest=st.none()
    | st.builds(
        Attempt,
        st.integers(1, 9),
        st.sampled_from(PaymentMode),
        st.booleans(),
        st.booleans(),
        st.datetimes(timezones=st.just(UTC), min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)),  # noqa: DTZ001 - the strategy adds the zone
    ),
    mode=st.sampled_from(PaymentMode),
    who=st.sampled_from([Who.STUDENT, Who.GUARDIAN, Who.INSTRUCTOR, Who.STAFF]),
    may_pay=st.booleans(),
    minutes=st.integers(30, 1_440),
)
def test_there_is_never_a_second_open_attempt_and_the_slot_outlives_the_page(
    status: BookingStatus,
    paid: PaymentStatus | None,
    latest: Attempt | None,
    mode: PaymentMode,
    who: Who,
    may_pay: bool,
    minutes: int,
) -> None:
    reached = paying.next_step(
        booking(status), paid, latest, mode, NOW, who=who, may_pay=may_pay, payment_minutes=minutes
    )
    if isinstance(reached, Begin):
        assert latest is None or latest.ended
        assert paid not in PAID
        assert reached.number == (latest.number if latest else 0) + 1
        assert reached.hold_until > reached.open_until >= NOW + timedelta(minutes=30)
    if isinstance(reached, Resume):
        assert latest is not None
        assert (latest.mode, latest.ended, latest.is_made) == (mode, False, True)
