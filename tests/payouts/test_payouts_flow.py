"""From a lesson to the instructor's account: accrual, hold, transfer, refunds, debts."""

from datetime import timedelta

from support.payout_world import PayoutWorld


async def test_a_lesson_that_is_given_and_paid_is_transferred_once_after_the_hold(world: PayoutWorld) -> None:
    account = await world.onboard()
    booking = await world.paid_lesson()
    payout = await world.payout(booking)
    assert (payout["status"], payout["amount_cents"]) == ("pending", 9025)
    assert [(line["kind"], line["amount_cents"]) for line in payout["lines"]] == [("lesson", 9025)]
    await world.mature(timedelta(hours=71, minutes=59))
    assert (await world.payout(booking))["status"] == "pending"
    await world.mature(timedelta(minutes=1))
    payout = await world.payout(booking)
    assert (payout["status"], payout["waiting_reason"]) == ("paid", None)
    transfer = await world.stripe.v1.transfers.retrieve_async(payout["stripe_transfer_id"])
    assert (transfer.amount, transfer.destination) == (9025, account)
    assert transfer.transfer_group == f"booking_{booking['id']}"
    assert await world.owed_cents() == 0
    await world.books_agree()
