"""What holds a payout up: disputes, an account that is not ready, Stripe's refusals."""

from datetime import timedelta

import pytest

from support.payout_world import PayoutWorld


async def kyc_of(world: PayoutWorld) -> str | None:
    instructor = await world.school.get(f"/instructors/{world.ready.instructor['id']}")
    status: str | None = instructor["kyc_status"]
    return status


async def test_a_dispute_freezes_the_payout_and_a_won_one_lets_it_go(world: PayoutWorld) -> None:
    await world.onboard()
    booking = await world.paid_lesson()
    dispute = await world.dispute(booking)
    assert (await world.payout(booking))["status"] == "frozen"
    await world.mature()
    assert (await world.payout(booking))["status"] == "frozen"
    await world.books_agree()
    await world.decide(dispute, "won")
    payout = await world.payout(booking)
    assert (payout["status"], payout["amount_cents"]) == ("paid", 9025)
    await world.books_agree()


async def test_a_lost_dispute_leaves_nothing_to_pay_and_nobody_owed(world: PayoutWorld) -> None:
    booking = await world.paid_lesson()
    await world.decide(await world.dispute(booking), "lost")
    payout = await world.payout(booking)
    assert (payout["status"], payout["amount_cents"]) == ("canceled", 0)
    assert [(line["kind"], line["amount_cents"]) for line in payout["lines"]] == [
        ("lesson", 9025),
        ("dispute", -9025),
    ]
    for account in ("customers", "disputes", "instructors_payable", "school_fees"):
        assert await world.stage.ledger_cents(account, world.school.org_id) == 0, account
    await world.books_agree()


async def test_a_dispute_that_is_lost_after_the_transfer_reverses_what_refunds_left(
    world: PayoutWorld,
) -> None:
    await world.onboard()
    booking = await world.paid_lesson()
    await world.mature()
    await world.refund(booking, 950)
    dispute = await world.dispute(booking)
    payout = await world.payout(booking)
    assert (payout["status"], payout["reversed_cents"]) == ("paid", 902)
    await world.decide(dispute, "lost")
    payout = await world.payout(booking)
    assert [row["amount_cents"] for row in payout["reversals"]] == [902, 8123]
    assert payout["status"] == "reversed"
    await world.books_agree()


async def test_a_dispute_before_the_lesson_freezes_what_accrues_later(world: PayoutWorld) -> None:
    booking = await world.book()
    await world.pay(booking)
    dispute = await world.dispute(booking)
    await world.complete(booking)
    assert (await world.payout(booking))["status"] == "frozen"
    await world.decide(dispute, "lost")
    assert (await world.payout(booking))["status"] == "canceled"
    await world.books_agree()


async def test_a_payout_waits_for_the_account_and_says_what_for(world: PayoutWorld) -> None:
    booking = await world.paid_lesson()
    await world.mature()
    payout = await world.payout(booking)
    assert (payout["status"], payout["waiting_reason"]) == (
        "pending",
        "The instructor has no account for payouts yet.",
    )
    account = await world.begin_onboarding()
    assert await kyc_of(world) == "pending"
    assert await world.begin_onboarding() == account
    world.control.act("accounts", account, "complete-onboarding")
    await world.stage.account_events(account)
    assert await kyc_of(world) == "active"
    assert (await world.payout(booking))["status"] == "paid"
    await world.books_agree()


async def test_a_restricted_account_holds_up_and_a_restored_one_releases(world: PayoutWorld) -> None:
    account = await world.onboard()
    booking = await world.paid_lesson()
    world.control.act("accounts", account, "restrict")
    await world.stage.account_events(account)
    assert await kyc_of(world) == "restricted"
    await world.mature()
    assert "more information" in (await world.payout(booking))["waiting_reason"]
    world.control.act("accounts", account, "restore")
    await world.stage.account_events(account)
    assert (await world.payout(booking))["status"] == "paid"
    await world.books_agree()


@pytest.mark.parametrize("told", [True, False])
async def test_a_refused_transfer_waits_and_is_tried_again(world: PayoutWorld, told: bool) -> None:
    account = await world.onboard()
    booking = await world.paid_lesson()
    # Stripe has closed the account, and its event is late.
    world.control.act("accounts", account, "restrict")
    await world.mature()
    payout = await world.payout(booking)
    assert payout["status"] == "pending"
    assert payout["waiting_reason"].startswith("Stripe did not make the transfer: Your destination account")
    assert await world.owed_cents() == 9025
    await world.books_agree()
    world.control.act("accounts", account, "restore")
    if told:
        await world.stage.owner.execute(
            "UPDATE instructors SET kyc_status = 'restricted' WHERE stripe_account_id = $1", account
        )
        await world.stage.account_events(account)
    else:
        await world.mature(timedelta(hours=24))
    assert (await world.payout(booking))["status"] == "paid"
    keys = await world.stage.owner.fetch(
        "SELECT idempotency_key, status FROM stripe_requests "
        "WHERE org_id = $1 AND operation = 'create_transfer' ORDER BY idempotency_key",
        world.school.org_id,
    )
    assert [row["status"] for row in keys] == ["refused", "succeeded"]
    assert keys[1]["idempotency_key"] == keys[0]["idempotency_key"] + ":2"
    await world.books_agree()


async def test_a_transfer_that_stripe_rejects_for_good_is_a_failure_that_is_seen_and_mended(
    world: PayoutWorld,
) -> None:
    account = await world.onboard()
    booking = await world.paid_lesson()
    owner = world.stage.owner
    await owner.execute(
        "UPDATE payments SET stripe_charge_id = 'ch_gone' WHERE org_id = $1", world.school.org_id
    )
    await world.mature()
    payout = await world.payout(booking)
    assert (payout["status"], "No such charge" in payout["waiting_reason"]) == ("failed", True)
    charges = await world.stripe.v1.charges.list_async({"limit": 1})
    await owner.execute(
        "UPDATE payments SET stripe_charge_id = $2 WHERE org_id = $1", world.school.org_id, charges.data[0].id
    )
    assert account
    await world.mature(timedelta(hours=24))
    assert (await world.payout(booking))["status"] == "paid"
    await world.books_agree()
