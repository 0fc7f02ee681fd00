"""Shares round halves up, splits lose nothing, and amounts are shown by their currency."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.core.errors import FieldError, InvalidInputError
from driveflow.core.money import check_currency, format_cents, percent_of, share_of, split

AMOUNTS = st.integers(min_value=0, max_value=2**63 - 1)
BPS = st.integers(min_value=0, max_value=10_000)


def half_up(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@pytest.mark.parametrize(
    ("cents", "bps", "share"),
    [
        (9500, 500, 475),
        (9500, 0, 0),
        (9500, 10_000, 9500),
        (0, 500, 0),
        (1, 4999, 0),
        (1, 5000, 1),
        (3, 5000, 2),
        (10_000, 1, 1),
        (4999, 1, 0),
    ],
)
def test_a_share_is_rounded_half_up(cents: int, bps: int, share: int) -> None:
    assert share_of(cents, bps) == share


@given(cents=st.integers(min_value=0, max_value=10**15), bps=BPS)
def test_a_share_equals_exact_decimal_arithmetic(cents: int, bps: int) -> None:
    assert share_of(cents, bps) == half_up(Decimal(cents) * bps / 10_000)


@given(cents=st.integers(min_value=0, max_value=10**15), percent=st.integers(min_value=0, max_value=100))
def test_a_percentage_equals_exact_decimal_arithmetic(cents: int, percent: int) -> None:
    assert percent_of(cents, percent) == half_up(Decimal(cents) * percent / 100)


@pytest.mark.parametrize(
    ("cents", "percent", "part"), [(9501, 50, 4751), (9500, 100, 9500), (149, 1, 1), (49, 1, 0)]
)
def test_a_percentage_is_rounded_half_up(cents: int, percent: int, part: int) -> None:
    assert percent_of(cents, percent) == part


@given(price_cents=AMOUNTS, fee_bps=BPS)
def test_fee_and_share_are_not_negative_and_add_up_to_the_price(price_cents: int, fee_bps: int) -> None:
    parts = split(price_cents, fee_bps)
    assert parts.platform_fee_cents == share_of(price_cents, fee_bps)
    assert parts.platform_fee_cents + parts.instructor_share_cents == price_cents
    assert min(parts.platform_fee_cents, parts.instructor_share_cents) >= 0


def test_a_negative_amount_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="must not be negative: -1"):
        share_of(-1, 500)
    with pytest.raises(ValueError, match="must not be negative: -1"):
        percent_of(-1, 50)
    with pytest.raises(ValueError, match="must not be negative: -1"):
        split(-1, 500)


def test_a_rate_outside_its_range_is_a_programming_error() -> None:
    for bps in (-1, 10_001):
        with pytest.raises(ValueError, match=f"between 0 and 10000: {bps}"):
            share_of(100, bps)
    for percent in (-1, 101):
        with pytest.raises(ValueError, match=f"between 0 and 100: {percent}"):
            percent_of(100, percent)


@pytest.mark.parametrize(
    ("cents", "currency", "locale", "text"),
    [
        (9500, "AUD", "en_AU", "$95.00"),
        (123_456, "AUD", "en_AU", "$1,234.56"),
        (5, "AUD", "en_AU", "$0.05"),
        (0, "AUD", "en_AU", "$0.00"),
        (-500, "AUD", "en_AU", "-$5.00"),
        (123_456, "EUR", "de_DE", "1.234,56\xa0€"),
        (1234, "JPY", "en_AU", "JPY1,234"),
        (12_345, "KWD", "en_AU", "KWD12.345"),
        (2**62 + 1, "AUD", "en_AU", "$46,116,860,184,273,879.05"),
    ],
)
def test_an_amount_is_shown_with_the_decimals_of_its_currency(
    cents: int, currency: str, locale: str, text: str
) -> None:
    assert format_cents(cents, currency, locale) == text


def test_an_amount_is_shown_the_australian_way_by_default() -> None:
    assert format_cents(9500, "AUD") == "$95.00"
    assert format_cents(9500, "USD") == "USD95.00"


def test_a_currency_code_is_returned_in_capitals() -> None:
    assert check_currency("aud") == "AUD"
    assert check_currency("NZD") == "NZD"
    assert check_currency("Jpy") == "JPY"


@pytest.mark.parametrize(
    "code", ["", "AU", "AUDD", "$", "ZZZ", " AUD", "AUD\n", "XXX", "XTS", "DEM", "XAU", "CHE"]
)
def test_what_is_not_money_today_is_refused(code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_currency(code)
    sentence = f"{code!r} is not the three-letter code of a currency (ISO 4217), such as AUD."
    assert caught.value.fields == (FieldError("currency", sentence),)
    assert caught.value.code == "invalid_input"
