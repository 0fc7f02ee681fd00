"""Giving money back: by staff, by itself, and again when a bank did not take it."""

from typing import Any

import pytest

from support.cast import trail
from support.money_world import MoneyWorld
from support.schools import Client

REFUND_FAILS_LATER = "4000000000005126"


async def refund(money: MoneyWorld, payment: dict[str, Any], cents: int, **more: Any) -> Any:
    return await money.school.post(
        f"/payments/{payment['id']}/refunds", {"amount_cents": cents, "reason": "Goodwill"}, **more
    )


async def test_staff_give_back_in_parts_and_never_more_than_was_paid(money: MoneyWorld) -> None:
    payment = await money.paid(await money.booked())
    first = await refund(money, payment, 2_000)
    assert (first["status"], first["cause"], first["method"]) == ("pending", "staff", "stripe")
    too_much = await refund(money, payment, 7_501, expect=422)
    assert too_much["code"] == "refund_too_large"
    assert "7500" in too_much["detail"]
    await money.settle()
    assert (await money.payment(payment))["status"] == "partially_refunded"
    await refund(money, payment, 7_500)
    await money.settle()
    back = await money.payment(payment)
    assert (back["status"], back["refunded_cents"]) == ("refunded", 9_500)
    assert [row["status"] for row in await money.refunds(payment)] == ["succeeded", "succeeded"]
    balances = await money.balances()
    assert (balances["customers"], balances["refunds"]) == (0, 0)
    assert balances["stripe_clearing"] == -payment["stripe_fee_cents"]


async def test_nothing_goes_back_of_what_was_not_paid(money: MoneyWorld) -> None:
    started = await money.start(await money.booked())
    refused = await refund(money, started["payment"], 1, expect=409)
    assert refused["code"] == "not_paid"


async def test_cash_is_given_back_by_hand_and_stripe_is_not_asked(money: MoneyWorld) -> None:
    booking = await money.booked()
    payment = await money.school.post(f"/bookings/{booking['id']}/payment/record", {"method": "cash"})
    given = await refund(money, payment, 9_500)
    assert (given["status"], given["method"]) == ("succeeded", "cash")
    assert (await money.payment(payment))["status"] == "refunded"
    await money.settle()
    assert money.stripe("/v1/refunds")["data"] == []
    assert await money.balances() == {"customers": 0, "cash": 0, "refunds": 0}


@pytest.mark.parametrize(("hours_ahead", "fee_cents"), [(72, 0), (10, 4_750), (1, 9_500)])
async def test_cancelling_gives_back_what_was_paid_above_the_fee(
    money: MoneyWorld, hours_ahead: float, fee_cents: int
) -> None:
    booking = await money.booked(hours_ahead=hours_ahead)
    payment = await money.paid(booking)
    body = {"reason": "Ill", "for_student": True}
    await money.school.post(f"/bookings/{booking['id']}/cancel", body, expect=200)
    await money.settle()
    refunds = await money.refunds(payment)
    assert [row["amount_cents"] for row in refunds] == [cents for cents in [9_500 - fee_cents] if cents]
    assert all((row["cause"], row["status"]) == ("cancellation", "succeeded") for row in refunds)
    balances = await money.balances()
    assert balances["customers"] == 0
    # The fee that was kept is earned by school and instructor.
    assert balances.get("school_fees", 0) + balances.get("instructors_payable", 0) == -fee_cents


async def test_waiving_the_fee_later_gives_back_the_rest(money: MoneyWorld) -> None:
    booking = await money.booked(hours_ahead=10)
    payment = await money.paid(booking)
    body = {"reason": "Ill", "for_student": True}
    await money.school.post(f"/bookings/{booking['id']}/cancel", body, expect=200)
    await money.settle()
    await money.school.post(f"/bookings/{booking['id']}/waive-fee", {"reason": "Doctor's note"}, expect=200)
    await money.settle()
    refunds = await money.refunds(payment)
    assert [(row["amount_cents"], row["cause"]) for row in refunds] == [
        (4_750, "cancellation"),
        (4_750, "fee_waived"),
    ]
    assert (await money.payment(payment))["status"] == "refunded"


async def test_a_no_show_keeps_its_fee(money: MoneyWorld) -> None:
    await money.school.patch(
        "", {"version": 1, "cancellation_tiers": [{"hours_before": 0, "fee_percent": 60}]}
    )
    booking = await money.booked(hours_ahead=1)
    payment = await money.paid(booking)
    money.clock.advance(minutes=80)
    await money.school.post(f"/bookings/{booking['id']}/no-show", expect=200)
    await money.settle()
    [row] = await money.refunds(payment)
    assert (row["amount_cents"], row["cause"]) == (3_800, "cancellation")


async def test_what_staff_gave_back_before_a_cancellation_counts(money: MoneyWorld) -> None:
    booking = await money.booked()
    payment = await money.paid(booking)
    await refund(money, payment, 4_000)
    await money.school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Snow"}, expect=200)
    await money.settle()
    assert [row["amount_cents"] for row in await money.refunds(payment)] == [4_000, 5_500]


async def test_cash_of_a_cancelled_booking_is_an_open_item_until_staff_hand_it_over(
    money: MoneyWorld,
) -> None:
    booking = await money.booked()
    payment = await money.school.post(f"/bookings/{booking['id']}/payment/record", {"method": "cash"})
    await money.school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Snow"}, expect=200)
    await money.settle()
    [owed] = await money.refunds(payment)
    assert owed["status"] == "pending"
    assert (await money.balances())["refunds"] == -9_500
    given = await money.school.post(f"/refunds/{owed['id']}/retry", expect=200)
    assert given["status"] == "succeeded"
    assert (await money.balances())["refunds"] == 0
    again = await money.school.post(f"/refunds/{owed['id']}/retry", expect=409)
    assert again["code"] == "refund_not_open"


async def test_a_refund_that_the_bank_sends_back_is_an_open_item_and_is_tried_again(
    money: MoneyWorld,
) -> None:
    started = await money.start(await money.booked())
    money.pay(started["checkout_url"], REFUND_FAILS_LATER)
    await money.settle()
    payment = await money.payment(started)
    sent = await refund(money, payment, 9_500)
    await money.settle()
    assert (await money.payment(payment))["status"] == "refunded"
    money.sandbox.control.advance_clock(60)
    await money.settle()
    [failed] = await money.refunds(payment)
    assert (failed["status"], failed["attempt"]) == ("failed", 1)
    assert failed["failure_reason"]
    assert (await money.payment(payment))["status"] == "succeeded"
    assert (await money.balances())["refunds"] == -9_500
    # It is still owed: nobody can decide it a second time.
    assert (await refund(money, payment, 1, expect=422))["code"] == "refund_too_large"
    tried = await money.school.post(f"/refunds/{sent['id']}/retry", expect=200)
    assert (tried["status"], tried["attempt"], tried["failure_reason"]) == ("pending", 2, None)
    await money.settle()
    assert len(money.stripe("/v1/refunds")["data"]) == 2
    actions = [action for action, _, _ in await trail(money.school, "Refund", sent["id"])]
    assert actions[:4] == ["REFUND_CREATED", "REFUND_SUCCEEDED", "REFUND_FAILED", "REFUND_RETRIED"]


async def test_a_refund_made_in_stripes_dashboard_is_written_down(money: MoneyWorld) -> None:
    payment = await money.paid(await money.booked())
    [intent] = money.stripe("/v1/payment_intents")["data"]
    money.stripe_post("/v1/refunds", payment_intent=intent["id"], amount="500")
    await money.settle()
    [row] = await money.refunds(payment)
    assert (row["amount_cents"], row["cause"], row["status"]) == (500, "staff", "succeeded")
    assert (await money.payment(payment))["refunded_cents"] == 500
    assert (await money.balances())["refunds"] == 0


async def test_a_disputed_payment_is_not_refunded_and_comes_back_when_it_is_won(money: MoneyWorld) -> None:
    payment = await money.paid(await money.booked())
    [charge] = money.stripe("/v1/charges")["data"]
    money.sandbox.control.act("charges", charge["id"], "dispute", reason="fraudulent")
    [disputed] = money.stripe("/v1/disputes")["data"]
    await money.settle()
    assert (await money.payment(payment))["status"] == "disputed"
    assert (await refund(money, payment, 1, expect=409))["code"] == "disputed"
    balances = await money.balances()
    assert balances["disputes"] == 9_500
    assert balances["stripe_clearing"] == money.stripe_balance()
    money.sandbox.control.act("disputes", disputed["id"], "close", outcome="won")
    await money.settle()
    won = await money.payment(payment)
    assert (won["status"], won["dispute_status"]) == ("succeeded", "won")
    balances = await money.balances()
    assert balances["disputes"] == 0
    assert balances["stripe_clearing"] == money.stripe_balance()


async def test_a_lost_dispute_stays(money: MoneyWorld) -> None:
    payment = await money.paid(await money.booked())
    [charge] = money.stripe("/v1/charges")["data"]
    money.sandbox.control.act("charges", charge["id"], "dispute", reason="fraudulent")
    [disputed] = money.stripe("/v1/disputes")["data"]
    await money.settle()
    money.sandbox.control.act("disputes", disputed["id"], "close", outcome="lost")
    await money.settle()
    lost = await money.payment(payment)
    assert (lost["status"], lost["dispute_status"]) == ("disputed", "lost")
    assert (await money.balances())["stripe_clearing"] == money.stripe_balance()


async def test_the_ledger_is_read_by_account_booking_and_entity(money: MoneyWorld) -> None:
    payment = await money.paid(await money.booked())
    entries = (await money.school.get("/ledger"))["items"]
    assert [(row["debit_account"], row["credit_account"]) for row in entries] == [
        ("stripe_fees", "stripe_clearing"),
        ("stripe_clearing", "customers"),
    ]
    for wanted, found in (
        ({"account": "customers"}, 1),
        ({"account": "stripe_clearing"}, 2),
        ({"booking_id": payment["booking_id"]}, 2),
        ({"entity_id": payment["id"]}, 2),
        ({"account": "cash"}, 0),
        ({"from": money.clock().isoformat()}, 2),
        ({"to": money.clock().isoformat()}, 0),
    ):
        assert len((await money.school.get("/ledger", params=wanted))["items"]) == found, wanted
    first = await money.school.get("/ledger", params={"limit": 1})
    second = await money.school.get("/ledger", params={"limit": 1, "cursor": first["next_cursor"]})
    assert [first["items"][0]["id"], second["items"][0]["id"]] == [row["id"] for row in entries]


async def test_customers_do_not_refund(money: MoneyWorld) -> None:
    student: Client = await money.school.as_role("student", student_id=money.ready.student["id"])
    payment = await money.paid(await money.booked())
    await student.post(f"/payments/{payment['id']}/refunds", {"amount_cents": 1, "reason": "x"}, expect=403)
    assert (await student.get(f"/payments/{payment['id']}/refunds"))["items"] == []
