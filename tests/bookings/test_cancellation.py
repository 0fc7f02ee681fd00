"""What cancelling costs, by notice and by whom; which policies are valid; when a move is late."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.bookings.cancellation import (
    DEFAULT_POLICY,
    CancellationPolicy,
    CancellationQuote,
    CancelledBy,
    Tier,
    cancelled_by,
    decided_fee,
    enforce_move,
    late_move,
    no_show_fee,
    parse_tiers,
    quote,
    tier_at,
)
from driveflow.bookings.lifecycle import Who
from driveflow.core.errors import ConflictError, FieldError, InvalidInputError
from driveflow.core.money import percent_of

START = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
FREE, HALF, FULL = DEFAULT_POLICY.tiers

PAYERS = (CancelledBy.STUDENT, CancelledBy.GUARDIAN)
SCHOOL_SIDE = (CancelledBy.SCHOOL, CancelledBy.INSTRUCTOR, CancelledBy.SYSTEM)


@st.composite
def policies(draw: st.DrawFn) -> CancellationPolicy:
    hours = draw(st.lists(st.integers(1, 8760), unique=True, max_size=9))
    percents = draw(st.lists(st.integers(0, 100), min_size=len(hours) + 1, max_size=len(hours) + 1))
    tiers = zip([*sorted(hours, reverse=True), 0], sorted(percents), strict=True)
    return CancellationPolicy(tuple(Tier(*tier) for tier in tiers))


NOTICES = st.timedeltas(min_value=timedelta(days=-3), max_value=timedelta(days=400))
PRICES = st.integers(0, 10**7)


def cancel(
    notice: timedelta,
    by: CancelledBy = CancelledBy.STUDENT,
    *,
    policy: CancellationPolicy = DEFAULT_POLICY,
    price_cents: int = 9501,
    was_confirmed: bool = True,
    waived: bool = False,
) -> CancellationQuote:
    return quote(
        policy, price_cents, START, START - notice, by=by, was_confirmed=was_confirmed, waived=waived
    )


@pytest.mark.parametrize("by", PAYERS)
@pytest.mark.parametrize(
    ("notice", "tier", "fee_cents", "reason"),
    [
        (48 * HOUR, FREE, 0, "Cancelling 24 hours or more before the start is free."),
        (24 * HOUR, FREE, 0, "Cancelling 24 hours or more before the start is free."),
        (
            24 * HOUR - SECOND,
            HALF,
            4751,
            "Cancelling less than 24 hours before the start costs 50 % of the price.",
        ),
        (2 * HOUR, HALF, 4751, "Cancelling less than 24 hours before the start costs 50 % of the price."),
        (
            2 * HOUR - SECOND,
            FULL,
            9501,
            "Cancelling less than 2 hours before the start costs 100 % of the price.",
        ),
        (0 * HOUR, FULL, 9501, "Cancelling less than 2 hours before the start costs 100 % of the price."),
        (-SECOND, FULL, 9501, "Cancelling less than 2 hours before the start costs 100 % of the price."),
    ],
)
def test_the_default_policy_charges_by_notice(
    by: CancelledBy, notice: timedelta, tier: Tier, fee_cents: int, reason: str
) -> None:
    assert cancel(notice, by) == CancellationQuote(
        price_cents=9501,
        fee_cents=fee_cents,
        waived_cents=0,
        percent=tier.fee_percent,
        tier=tier,
        by=by,
        is_late=tier is not FREE,
        reason=reason,
    )


@pytest.mark.parametrize("by", SCHOOL_SIDE)
def test_the_school_never_charges_for_its_own_cancellation(by: CancelledBy) -> None:
    assert cancel(HOUR, by) == CancellationQuote(
        price_cents=9501,
        fee_cents=0,
        waived_cents=0,
        percent=None,
        tier=None,
        by=by,
        is_late=True,
        reason="The school cancels: no fee, and a full refund.",
    )


@pytest.mark.parametrize("by", CancelledBy)
def test_a_request_is_cancelled_for_free_and_is_never_late(by: CancelledBy) -> None:
    assert cancel(HOUR, by, was_confirmed=False) == CancellationQuote(
        price_cents=9501,
        fee_cents=0,
        waived_cents=0,
        percent=None,
        tier=None,
        by=by,
        is_late=False,
        reason="The booking was not confirmed yet: cancelling is free.",
    )


def test_a_waived_fee_is_remembered_and_explained() -> None:
    waived = cancel(3 * HOUR, waived=True)
    assert (waived.fee_cents, waived.waived_cents, waived.percent, waived.tier) == (0, 4751, 50, HALF)
    assert waived.is_late
    assert waived.reason == (
        "Cancelling less than 24 hours before the start costs 50 % of the price. The school waived the fee."
    )


def test_waiving_a_fee_of_nothing_changes_nothing() -> None:
    assert cancel(48 * HOUR, waived=True) == cancel(48 * HOUR)
    assert cancel(3 * HOUR, price_cents=0, waived=True) == cancel(3 * HOUR, price_cents=0)


def test_no_fee_is_waived_unless_somebody_says_so() -> None:
    now = START - 3 * HOUR
    assert (
        quote(DEFAULT_POLICY, 9501, START, now, by=CancelledBy.STUDENT, was_confirmed=True).fee_cents == 4751
    )


def test_even_a_fee_of_one_cent_can_be_waived() -> None:
    waived = cancel(3 * HOUR, price_cents=1, waived=True)
    assert (waived.fee_cents, waived.waived_cents) == (0, 1)


def test_a_policy_of_one_tier_has_no_deadline_to_name() -> None:
    free = CancellationPolicy((Tier(0, 0),))
    assert cancel(-HOUR, policy=free).reason == "Cancelling is free."
    assert cancel(-HOUR, policy=free).fee_cents == 0
    half = CancellationPolicy((Tier(0, 50),))
    assert cancel(48 * HOUR, policy=half).reason == "Cancelling costs 50 % of the price."


def test_a_negative_price_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        cancel(HOUR, price_cents=-1)


@given(
    policy=policies(),
    price_cents=PRICES,
    notice=NOTICES,
    waived=st.booleans(),
    by=st.sampled_from(CancelledBy),
)
def test_a_fee_lies_between_nothing_and_the_price(
    policy: CancellationPolicy, price_cents: int, notice: timedelta, waived: bool, by: CancelledBy
) -> None:
    result = cancel(notice, by, policy=policy, price_cents=price_cents, waived=waived)
    assert 0 <= result.fee_cents <= price_cents
    assert result.fee_cents == 0 or by in PAYERS
    assert result.fee_cents == 0 or result.waived_cents == 0
    if by in PAYERS:
        assert result.tier == tier_at(policy, START, START - notice)
        assert result.fee_cents + result.waived_cents == percent_of(price_cents, result.tier.fee_percent)


@given(policy=policies(), price_cents=PRICES, one=NOTICES, other=NOTICES)
def test_waiting_never_makes_cancelling_cheaper(
    policy: CancellationPolicy, price_cents: int, one: timedelta, other: timedelta
) -> None:
    late = cancel(min(one, other), policy=policy, price_cents=price_cents)
    early = cancel(max(one, other), policy=policy, price_cents=price_cents)
    assert early.fee_cents <= late.fee_cents <= no_show_fee(policy, price_cents)


@given(policy=policies(), notice=NOTICES)
def test_a_tier_holds_from_its_hours_to_those_of_the_next_above(
    policy: CancellationPolicy, notice: timedelta
) -> None:
    index = policy.tiers.index(tier_at(policy, START, START - notice))
    assert index == len(policy.tiers) - 1 or notice >= policy.tiers[index].hours_before * HOUR
    assert index == 0 or notice < policy.tiers[index - 1].hours_before * HOUR


@pytest.mark.parametrize(
    ("paid_cents", "refund_cents"), [(0, 0), (4750, 0), (4751, 0), (4752, 1), (9501, 4750)]
)
def test_what_was_paid_above_the_fee_goes_back(paid_cents: int, refund_cents: int) -> None:
    assert cancel(3 * HOUR).refund_cents(paid_cents) == refund_cents


def test_a_no_show_costs_the_fee_of_the_last_tier() -> None:
    assert no_show_fee(DEFAULT_POLICY, 9501) == 9501
    assert no_show_fee(CancellationPolicy((Tier(24, 0), Tier(0, 50))), 9501) == 4751


def test_a_lesson_under_way_costs_what_the_school_decides() -> None:
    assert decided_fee(9500, 3000) == CancellationQuote(
        price_cents=9500,
        fee_cents=3000,
        waived_cents=0,
        percent=None,
        tier=None,
        by=CancelledBy.SCHOOL,
        is_late=True,
        reason="The lesson had begun: the school decided the fee.",
    )
    assert decided_fee(9500, 0).fee_cents == 0
    assert decided_fee(9500, 9500).fee_cents == 9500


@pytest.mark.parametrize("fee_cents", [-1, 9501])
def test_a_decided_fee_outside_the_price_is_refused(fee_cents: int) -> None:
    with pytest.raises(InvalidInputError) as caught:
        decided_fee(9500, fee_cents)
    message = "The fee must lie between 0 and the price of the booking."
    assert caught.value.fields == (FieldError("fee_cents", message),)


def test_each_party_to_a_booking_cancels_on_its_own_side() -> None:
    assert {who: cancelled_by(who) for who in Who} == {
        Who.STUDENT: CancelledBy.STUDENT,
        Who.GUARDIAN: CancelledBy.GUARDIAN,
        Who.INSTRUCTOR: CancelledBy.INSTRUCTOR,
        Who.STAFF: CancelledBy.SCHOOL,
        Who.SYSTEM: CancelledBy.SYSTEM,
    }


def test_a_move_is_late_inside_the_first_tier_that_costs_something() -> None:
    assert not late_move(DEFAULT_POLICY, START, START - 24 * HOUR)
    assert late_move(DEFAULT_POLICY, START, START - 24 * HOUR + SECOND)
    one_percent = CancellationPolicy((Tier(48, 0), Tier(24, 0), Tier(0, 1)))
    assert not late_move(one_percent, START, START - 24 * HOUR)
    assert late_move(one_percent, START, START)
    assert not late_move(CancellationPolicy((Tier(0, 0),)), START, START)


@pytest.mark.parametrize("by", PAYERS)
def test_a_late_move_is_refused_with_what_cancelling_costs(by: CancelledBy) -> None:
    with pytest.raises(ConflictError) as caught:
        enforce_move(cancel(3 * HOUR, by))
    assert caught.value.code == "late_move"
    assert caught.value.message == "It is too late to move this booking yourself; ask the school."
    assert caught.value.details == {
        "fee_cents": 4751,
        "percent": 50,
        "reason": "Cancelling less than 24 hours before the start costs 50 % of the price.",
    }


def test_who_keeps_the_deadline_or_has_only_a_request_or_is_the_school_may_move() -> None:
    enforce_move(cancel(24 * HOUR))
    enforce_move(cancel(HOUR, was_confirmed=False))
    for by in SCHOOL_SIDE:
        enforce_move(cancel(HOUR, by))


@given(policy=policies())
def test_a_stored_policy_is_read_back_as_it_was(policy: CancellationPolicy) -> None:
    assert parse_tiers(policy.to_json()) == policy


def test_the_default_policy_is_valid() -> None:
    stored = [
        {"hours_before": 24, "fee_percent": 0},
        {"hours_before": 2, "fee_percent": 50},
        {"hours_before": 0, "fee_percent": 100},
    ]
    assert DEFAULT_POLICY.to_json() == stored
    assert parse_tiers(stored) == DEFAULT_POLICY


def test_equal_percentages_and_the_widest_ranges_are_valid() -> None:
    tiers: list[dict[str, Any]] = [
        {"hours_before": 8760, "fee_percent": 100},
        {"hours_before": 0, "fee_percent": 100},
    ]
    assert parse_tiers(tiers) == CancellationPolicy((Tier(8760, 100), Tier(0, 100)))
    ten = [{"hours_before": 9 - n, "fee_percent": n} for n in range(10)]
    assert len(parse_tiers(ten).tiers) == 10


def tier(hours_before: object, fee_percent: object, **more: object) -> dict[str, object]:
    return {"hours_before": hours_before, "fee_percent": fee_percent, **more}


HOURS_RANGE = "Give a whole number from 0 to 8760."
NO_ZERO = "The last tier must start at 0 hours, so that every cancellation has its fee."
PERCENT_RANGE = "Give a whole number from 0 to 100."


@pytest.mark.parametrize(
    ("raw", "errors"),
    [
        (None, {"": "Give a list of 1 to 10 cancellation tiers."}),
        ("tiers", {"": "Give a list of 1 to 10 cancellation tiers."}),
        (tier(0, 0), {"": "Give a list of 1 to 10 cancellation tiers."}),
        ([], {"": "Give a list of 1 to 10 cancellation tiers."}),
        ([tier(10 - n, 0) for n in range(11)], {"": "Give a list of 1 to 10 cancellation tiers."}),
        ([7], {".0": "A tier is an object with hours_before and fee_percent."}),
        ([tier(2, 0), None], {".1": "A tier is an object with hours_before and fee_percent."}),
        ([{}], {".0.hours_before": HOURS_RANGE, ".0.fee_percent": PERCENT_RANGE}),
        ([tier(-1, -1)], {".0.hours_before": HOURS_RANGE, ".0.fee_percent": PERCENT_RANGE}),
        ([tier(8761, 101)], {".0.hours_before": HOURS_RANGE, ".0.fee_percent": PERCENT_RANGE}),
        ([tier(0, 50.0)], {".0.fee_percent": PERCENT_RANGE}),
        ([tier(False, 0)], {".0.hours_before": HOURS_RANGE}),
        ([tier("0", None)], {".0.hours_before": HOURS_RANGE, ".0.fee_percent": PERCENT_RANGE}),
        ([tier(0, 0, note="x")], {".0.note": "A tier has no such field."}),
        (
            [tier(2, 0), tier(2, 50), tier(0, 50)],
            {".1.hours_before": "The hours must be fewer than the 2 of the tier before."},
        ),
        (
            [tier(2, 50), tier(24, 49), tier(0, 100)],
            {
                ".1.hours_before": "The hours must be fewer than the 2 of the tier before.",
                ".1.fee_percent": "The fee must not be lower than the 50 % of the tier before.",
            },
        ),
        (
            [tier(24, 0), tier(1, 50)],
            {".1.hours_before": NO_ZERO},
        ),
        (
            [tier(1, 0)],
            {".0.hours_before": NO_ZERO},
        ),
    ],
)
def test_an_invalid_policy_is_refused_with_every_wrong_field(raw: object, errors: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_tiers(raw)
    assert caught.value.code == "invalid_input"
    assert {field.field: field.message for field in caught.value.fields} == {
        f"cancellation_tiers{path}": message for path, message in errors.items()
    }
    assert caught.value.message in {errors.get(""), "The cancellation tiers are not valid."}
