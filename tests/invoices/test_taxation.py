"""The rule of tax on invoices: each sentence of its account, and what holds for all amounts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.invoices.taxation import TaxStatus, adjustment, included_tax, tax_invoice

REGISTERED = TaxStatus(registered=True, name="GST", rate_bps=1000, business_number="51824753556")
UNREGISTERED = replace(REGISTERED, registered=False)
NO_NUMBER = replace(REGISTERED, business_number=None)

cents = st.integers(0, 100_000_000)


@pytest.mark.parametrize(
    ("total", "tax"),
    [(0, 0), (1, 0), (5, 0), (6, 1), (11, 1), (16, 1), (17, 2), (9500, 864), (11_000, 1000), (100_000, 9091)],
)
def test_ten_percent_on_top_are_one_eleventh_of_the_total_rounded_to_the_cent(total: int, tax: int) -> None:
    assert included_tax(total, 1000) == tax


def test_half_a_cent_goes_up() -> None:
    # 25 % on top are a fifth of the total, 100 % a half.
    assert [included_tax(total, 10_000) for total in (1, 3, 5)] == [1, 2, 3]
    assert included_tax(100, 2_500) == 20


@pytest.mark.parametrize(("total", "rate"), [(-1, 1000), (1, -1)])
def test_negative_amounts_and_rates_are_mistakes(total: int, rate: int) -> None:
    with pytest.raises(ValueError, match="negative"):
        included_tax(total, rate)


@given(cents, st.integers(0, 10_000))
def test_net_and_tax_add_up_and_the_tax_is_the_rate_of_the_net_to_the_cent(total: int, rate: int) -> None:
    tax = included_tax(total, rate)
    assert 0 <= tax <= total
    assert abs(tax * (10_000 + rate) - total * rate) * 2 <= 10_000 + rate


def test_a_registered_school_issues_tax_invoices_that_show_the_tax() -> None:
    taxed = tax_invoice(9500, REGISTERED)
    assert (taxed.title, taxed.tax_cents, taxed.net_cents) == ("Tax invoice", 864, 8636)
    assert taxed.statement == "Total price includes GST."
    assert taxed.reason == "The school is registered for GST."


def test_another_tax_has_its_own_name_and_rate() -> None:
    taxed = tax_invoice(11_500, replace(REGISTERED, name="VAT", rate_bps=1500))
    assert (taxed.tax_cents, taxed.statement) == (1500, "Total price includes VAT.")


def test_a_school_that_is_not_registered_says_nothing_of_tax() -> None:
    taxed = tax_invoice(9500, UNREGISTERED)
    assert (taxed.title, taxed.tax_cents, taxed.statement) == ("Invoice", 0, None)
    assert "not registered" in taxed.reason
    note = adjustment(500, credited_before_cents=0, invoice_total_cents=9500, status=UNREGISTERED)
    assert (note.title, note.tax_cents, note.statement) == ("Credit note", 0, None)


def test_without_a_business_number_it_is_no_tax_invoice_and_says_why() -> None:
    taxed = tax_invoice(9500, NO_NUMBER)
    assert (taxed.title, taxed.tax_cents) == ("Invoice", 864)
    assert taxed.reason.endswith("has no business number on file, without which this is no tax invoice.")
    note = adjustment(9500, credited_before_cents=0, invoice_total_cents=9500, status=NO_NUMBER)
    assert (note.title, note.tax_cents) == ("Credit note", 864)
    assert note.reason.endswith("without which this is no adjustment note.")


@pytest.mark.parametrize(("total", "required"), [(99_999, False), (100_000, True)])
def test_the_law_asks_for_the_buyers_identity_from_a_thousand_dollars_on(total: int, required: bool) -> None:
    assert tax_invoice(total, REGISTERED).buyer_required is required
    note = adjustment(1, credited_before_cents=0, invoice_total_cents=total, status=REGISTERED)
    assert note.buyer_required is required
    assert not tax_invoice(total, UNREGISTERED).buyer_required


def test_an_adjustment_note_says_what_the_credit_includes() -> None:
    note = adjustment(4750, credited_before_cents=0, invoice_total_cents=9500, status=REGISTERED)
    assert (note.title, note.total_cents, note.tax_cents) == ("Adjustment note", 4750, 432)
    assert note.statement == "The credit includes GST."


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20), cents, st.integers(0, 10_000))
def test_credit_notes_of_all_parts_take_back_exactly_the_tax_of_the_invoice(
    parts: list[int], kept: int, rate: int
) -> None:
    status = replace(REGISTERED, rate_bps=rate)
    total = sum(parts) + kept
    before, taken_back = 0, 0
    for part in parts:
        note = adjustment(part, credited_before_cents=before, invoice_total_cents=total, status=status)
        assert 0 <= note.tax_cents <= part
        before += part
        taken_back += note.tax_cents
    # What the school keeps, a cancellation fee, is taxed as if it alone had been invoiced, to the cent.
    assert abs(tax_invoice(total, status).tax_cents - taken_back - included_tax(kept, rate)) <= 1
    if kept == 0:
        assert taken_back == tax_invoice(total, status).tax_cents


@pytest.mark.parametrize(("amount", "before"), [(0, 0), (-1, 0), (1, 9500), (9501, 0), (1, -1)])
def test_no_more_can_be_credited_than_was_invoiced(amount: int, before: int) -> None:
    with pytest.raises(ValueError, match="cannot credit"):
        adjustment(amount, credited_before_cents=before, invoice_total_cents=9500, status=REGISTERED)
