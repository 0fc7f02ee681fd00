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


async def test_money_that_comes_after_the_hold_is_paid_out_at_once(world: PayoutWorld) -> None:
    await world.onboard()
    booking = await world.book()
    await world.complete(booking)
    await world.mature()
    await world.pay(booking)
    payout = await world.payout(booking)
    assert (payout["status"], payout["amount_cents"]) == ("paid", 9025)
    await world.books_agree()


async def test_a_kept_fee_is_split_like_the_price_and_a_free_cancellation_earns_nothing(
    world: PayoutWorld,
) -> None:
    await world.onboard()
    late, free = await world.book(), await world.book()
    await world.pay(late)
    await world.pay(free)
    world.clock.now = world.start_of(late) - timedelta(hours=3)
    for booking in (late, free):
        await world.school.post(
            f"/bookings/{booking['id']}/cancel", {"reason": "Ill", "for_student": True}, expect=200
        )
    await world.pump()
    payout = await world.payout(late)
    assert (payout["kind"], payout["amount_cents"]) == ("fee", 4512)
    assert [(line["kind"], line["amount_cents"]) for line in payout["lines"]] == [("fee", 4512)]
    assert await world.payouts_of(free) == []
    await world.mature()
    assert (await world.payout(late))["status"] == "paid"
    await world.books_agree()


async def test_a_waived_fee_is_taken_back_from_the_payout_that_waits_for_it(world: PayoutWorld) -> None:
    booking = await world.book()
    await world.pay(booking)
    world.clock.now = world.start_of(booking) + timedelta(minutes=20)
    await world.school.post(f"/bookings/{booking['id']}/no-show", expect=200)
    await world.pump()
    assert (await world.payout(booking))["amount_cents"] == 9025
    await world.school.post(f"/bookings/{booking['id']}/waive-fee", {"reason": "Goodwill"}, expect=200)
    await world.pump()
    payout = await world.payout(booking)
    assert (payout["status"], payout["amount_cents"]) == ("canceled", 0)
    assert [(line["kind"], line["amount_cents"]) for line in payout["lines"]] == [
        ("fee", 9025),
        ("fee_waived", -9025),
    ]
    await world.books_agree()


async def test_refunds_before_the_transfer_make_the_payout_smaller(world: PayoutWorld) -> None:
    await world.onboard()
    booking = await world.paid_lesson()
    await world.refund(booking, 1001)
    await world.refund(booking, 999)
    payout = await world.payout(booking)
    # floor(9025 * 1001 / 9500) = 950, and floor(9025 * 2000 / 9500) = 1900 in sum.
    assert [line["amount_cents"] for line in payout["lines"]] == [9025, -950, -950]
    await world.mature()
    payout = await world.payout(booking)
    assert (payout["status"], payout["amount_cents"], payout["reversals"]) == ("paid", 7125, [])
    await world.books_agree()


async def test_refunds_after_the_transfer_reverse_it_in_the_same_parts(world: PayoutWorld) -> None:
    await world.onboard()
    booking = await world.paid_lesson()
    await world.mature()
    for amount_cents in (1001, 999, 7500):
        await world.refund(booking, amount_cents)
    payout = await world.payout(booking)
    assert [row["amount_cents"] for row in payout["reversals"]] == [950, 950, 7125]
    assert {row["status"] for row in payout["reversals"]} == {"succeeded"}
    assert len({row["refund_id"] for row in payout["reversals"]}) == 3
    assert (payout["status"], payout["reversed_cents"]) == ("reversed", 9025)
    transfer = await world.stripe.v1.transfers.retrieve_async(payout["stripe_transfer_id"])
    assert transfer.amount_reversed == 9025
    assert await world.owed_cents() == 0
    await world.books_agree()


async def test_what_the_instructor_has_taken_out_is_a_debt_of_the_next_payouts(world: PayoutWorld) -> None:
    account = await world.onboard()
    booking = await world.paid_lesson()
    await world.mature()
    world.control.act("accounts", account, "pay-out")
    await world.refund(booking, 9500)
    payout = await world.payout(booking)
    assert [row["status"] for row in payout["reversals"]] == ["refused"]
    assert (payout["status"], payout["reversed_cents"]) == ("paid", 0)
    [debt] = payout["debts"]
    assert (debt["amount_cents"], debt["settled_cents"]) == (9025, 0)
    assert await world.owed_cents() == -9025
    await world.books_agree()

    small = await world.paid_lesson(price_cents=5000)
    large = await world.paid_lesson()
    await world.mature()
    swallowed, rest = await world.payout(small), await world.payout(large)
    assert [(line["kind"], line["amount_cents"]) for line in swallowed["lines"]] == [
        ("lesson", 4750),
        ("debt", -4750),
    ]
    assert (swallowed["status"], swallowed["stripe_transfer_id"]) == ("paid", None)
    assert [line["amount_cents"] for line in rest["lines"]] == [9025, -4275]
    assert (rest["status"], rest["amount_cents"]) == ("paid", 4750)
    assert await world.owed_cents() == 0
    await world.books_agree()

    # What was swallowed by the debt cannot be reversed: refunding it makes a new debt, the rest is reversed.
    await world.refund(small, 5000)
    await world.refund(large, 9500)
    assert [row["amount_cents"] for row in (await world.payout(small))["debts"]] == [4750]
    rest = await world.payout(large)
    assert [row["amount_cents"] for row in rest["reversals"]] == [4750]
    assert [row["amount_cents"] for row in rest["debts"]] == [4275]
    assert await world.owed_cents() == -4750 - 4275
    await world.books_agree()


async def test_cash_is_paid_out_by_staff_who_mark_it_and_refunded_cash_is_owed(world: PayoutWorld) -> None:
    booking = await world.book()
    await world.pay_in_cash(booking)
    await world.complete(booking)
    payout = await world.payout(booking)
    refused = await world.school.post(f"/payouts/{payout['id']}/mark-paid", {}, expect=409)
    assert refused["code"] == "not_due"
    await world.mature()
    payout = await world.payout(booking)
    assert (payout["status"], payout["method"]) == ("pending", "manual")
    assert "staff pay the instructor" in payout["waiting_reason"]
    for _ in range(2):
        marked = await world.school.post(
            f"/payouts/{payout['id']}/mark-paid", {"reference": "BSB 1"}, expect=200
        )
        assert (marked["status"], marked["reference"], marked["amount_cents"]) == ("paid", "BSB 1", 9025)
    assert await world.stage.ledger_cents("cash", world.school.org_id) == 9500 - 9025
    await world.refund(booking, 9500)
    assert [row["amount_cents"] for row in (await world.payout(booking))["debts"]] == [9025]
    await world.books_agree()


async def test_a_platform_that_takes_all_leaves_no_payout_to_make(world: PayoutWorld) -> None:
    await world.school.patch(
        f"/instructors/{world.ready.instructor['id']}", {"version": 1, "fee_bps": 10_000}
    )
    booking = await world.paid_lesson()
    payout = await world.payout(booking)
    assert (payout["status"], payout["amount_cents"], payout["lines"]) == ("canceled", 0, [])
    await world.refund(booking, 500)
    assert await world.stage.ledger_cents("school_fees", world.school.org_id) == -9000
    await world.books_agree()
