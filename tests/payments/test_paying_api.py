"""Paying a booking, as a person and their browser meet it."""

from support.money_world import MoneyWorld


async def test_a_booking_is_paid_on_stripes_page_and_the_ledger_shows_where_the_money_is(
    money: MoneyWorld,
) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    assert started["payment"]["status"] == "intent_created"
    assert money.pay(started["checkout_url"]).is_redirect
    await money.settle()
    payment = await money.payment(started)
    assert (payment["status"], payment["method"], payment["amount_cents"]) == ("succeeded", "stripe", 9500)
    assert payment["stripe_fee_cents"] > 0
    balances = await money.balances()
    assert balances["customers"] == -9500
    assert balances["stripe_clearing"] == 9500 - payment["stripe_fee_cents"]
