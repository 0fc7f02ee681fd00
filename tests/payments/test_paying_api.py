"""Paying a booking, as a person and their browser meet it."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from support.money_world import MoneyWorld
from support.schools import Client

DECLINED = "4000000000000002"
NEEDS_3DS = "4000002500003155"


@pytest.fixture
async def student(money: MoneyWorld) -> Client:
    return await money.school.as_role("student", student_id=money.ready.student["id"])


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


async def test_a_payment_confirms_a_requested_booking(money: MoneyWorld, student: Client) -> None:
    booking = await money.requested(student)
    assert booking["status"] == "requested"
    started = await money.start(booking, student)
    money.pay(started["checkout_url"])
    await money.settle()
    assert (await money.booking(booking))["status"] == "confirmed"


async def test_a_paid_request_waits_for_a_school_that_confirms_itself(
    money: MoneyWorld, student: Client
) -> None:
    await money.school.patch("", {"version": 1, "confirm_on_payment": False})
    booking = await money.requested(student)
    payment = await money.paid(booking)
    waiting = await money.booking(booking)
    assert (waiting["status"], waiting["hold_expires_at"]) == ("requested", waiting["start_at"])
    money.clock.advance(days=30)
    await money.settle()
    assert (await money.booking(booking))["status"] == "cancelled"
    assert (await money.payment(payment))["status"] == "refunded"


async def test_asking_again_gives_the_same_page_also_in_a_second_tab(
    money: MoneyWorld, student: Client
) -> None:
    booking = await money.requested(student)
    first = await money.start(booking, student)
    money.clock.advance(minutes=10)
    second = await money.start(booking, student)
    assert first == second
    assert first["checkout_url"].startswith(money.sandbox.base_url)


async def test_another_mode_closes_the_open_page_first(money: MoneyWorld) -> None:
    booking = await money.booked()
    page = await money.start(booking)
    own = await money.start(booking, mode="intent")
    assert own["client_secret"].startswith("pi_")
    assert own["payment"]["attempt"] == 2
    assert own["checkout_url"] is None
    assert not money.pay(page["checkout_url"]).is_redirect
    again = await money.start(booking, mode="intent")
    assert again["client_secret"] == own["client_secret"]
    back = await money.start(booking)
    assert back["payment"]["attempt"] == 3


async def test_a_client_secret_is_stored_nowhere(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking, mode="intent")
    async with money.database.session(money.school.org_id) as session:
        for table in ("payments", "stripe_requests", "idempotency_keys", "outbox", "audit_logs"):
            rows = (await session.execute(text(f"SELECT t::text FROM {table} t"))).scalars().all()
            assert not [row for row in rows if started["client_secret"] in row]


async def test_a_declined_card_leaves_the_page_open_for_another_one(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    assert not money.pay(started["checkout_url"], DECLINED).is_redirect
    await money.settle()
    failed = await money.payment(started)
    assert (failed["status"], failed["failure_code"]) == ("failed", "card_declined")
    again = await money.start(booking)
    assert again["checkout_url"] == started["checkout_url"]
    money.pay(again["checkout_url"])
    await money.settle()
    paid = await money.payment(started)
    assert (paid["status"], paid["failure_code"], paid["attempt"]) == ("succeeded", None, 1)


async def test_3d_secure_is_asked_for_and_then_the_booking_is_paid(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    page = money.pay(started["checkout_url"], NEEDS_3DS)
    await money.settle()
    assert (await money.payment(started))["status"] == "requires_action"
    assert money.sandbox.authenticate(page.headers["location"]).is_redirect
    await money.settle()
    assert (await money.payment(started))["status"] == "succeeded"


async def test_a_page_nobody_pays_on_is_closed_after_the_schools_time_and_another_may_be_opened(
    money: MoneyWorld, student: Client
) -> None:
    booking = await money.requested(student)
    started = await money.start(booking, student)
    money.clock.advance(minutes=30)
    await money.settle()
    assert (await money.payment(started))["status"] == "canceled"
    assert not money.pay(started["checkout_url"]).is_redirect
    again = await money.start(booking, student)
    assert again["payment"]["attempt"] == 2
    assert again["checkout_url"] != started["checkout_url"]
    money.pay(again["checkout_url"])
    await money.settle()
    assert (await money.booking(booking))["status"] == "confirmed"


async def test_a_page_whose_time_is_over_is_replaced_even_before_the_worker_came(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    money.clock.advance(minutes=31)
    again = await money.start(booking)
    assert again["payment"]["attempt"] == 2
    assert not money.pay(started["checkout_url"]).is_redirect


async def test_the_slot_is_held_as_long_as_somebody_may_pay_for_it(
    money: MoneyWorld, student: Client
) -> None:
    booking = await money.requested(student)
    money.clock.advance(minutes=29)
    started = await money.start(booking, student)
    money.clock.advance(minutes=25)
    await money.settle()
    assert (await money.booking(booking))["status"] == "requested"
    money.pay(started["checkout_url"])
    await money.settle()
    assert (await money.booking(booking))["status"] == "confirmed"


async def test_an_unpaid_request_is_let_go_and_its_page_closed(money: MoneyWorld, student: Client) -> None:
    booking = await money.requested(student)
    started = await money.start(booking, student)
    money.clock.advance(minutes=36)
    await money.settle()
    assert (await money.booking(booking))["status"] == "cancelled"
    assert (await money.payment(started))["status"] == "canceled"
    refused = await student.post(f"/bookings/{booking['id']}/payment", {}, expect=409)
    assert refused["code"] == "not_payable"


async def test_nobody_holds_a_slot_for_ever_by_opening_pages(money: MoneyWorld, student: Client) -> None:
    booking = await money.requested(student)
    for _ in range(5):
        await money.start(booking, student)
        money.clock.advance(minutes=30)
        await money.settle()
    refused = await student.post(f"/bookings/{booking['id']}/payment", {}, expect=409)
    assert refused["code"] == "too_many_attempts"


async def test_cancelling_closes_the_open_page(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    await money.school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    await money.settle()
    assert (await money.payment(started))["status"] == "canceled"
    assert not money.pay(started["checkout_url"]).is_redirect


async def test_a_payment_for_a_booking_lost_meanwhile_goes_back_by_itself(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    money.pay(started["checkout_url"])
    # The cancellation is committed before Stripe's news arrive.
    await money.school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    await money.settle()
    payment = await money.payment(started)
    assert (payment["status"], payment["refunded_cents"]) == ("refunded", 9500)
    [refund] = await money.refunds(payment)
    assert (refund["cause"], refund["status"], refund["amount_cents"]) == ("slot_lost", "succeeded", 9500)
    balances = await money.balances()
    assert (balances["customers"], balances["refunds"]) == (0, 0)


async def test_a_booking_is_not_paid_twice_over_the_api(money: MoneyWorld) -> None:
    booking = await money.booked()
    await money.paid(booking)
    for path, body in (("payment", {}), ("payment/record", {"method": "cash"})):
        refused = await money.school.post(f"/bookings/{booking['id']}/{path}", body, expect=409)
        assert refused["code"] == "already_paid"


async def test_a_late_success_of_a_closed_attempt_is_the_payment_when_nothing_else_was(
    money: MoneyWorld,
) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    money.pay(started["checkout_url"])
    # The abandoning comes first, and learns at Stripe that the page was paid.
    money.clock.advance(minutes=31)
    await money.worker.run_until_idle()
    payment = await money.payment(started)
    assert payment["status"] == "succeeded"
    await money.settle()
    assert (await money.balances())["customers"] == -9500


async def test_what_was_paid_twice_goes_back_and_is_no_part_of_the_payment(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking, mode="intent")
    intent_id = started["client_secret"].partition("_secret_")[0]
    # The school takes cash while a card is being charged: Stripe's closing and the success cross.
    async with money.database.session(money.school.org_id) as session:
        await session.execute(
            text("UPDATE payments SET status = 'canceled' WHERE booking_id = :id"), {"id": booking["id"]}
        )
    await money.school.post(f"/bookings/{booking['id']}/payment/record", {"method": "cash"})
    confirmed = money.stripe_post(f"/v1/payment_intents/{intent_id}/confirm", payment_method="pm_card_visa")
    assert confirmed["status"] == "succeeded"
    await money.settle()
    payment = await money.payment(started)
    assert (payment["status"], payment["method"], payment["refunded_cents"]) == ("succeeded", "cash", 0)
    [refund] = await money.refunds(payment)
    assert (refund["cause"], refund["status"], refund["amount_cents"]) == ("paid_twice", "succeeded", 9500)
    balances = await money.balances()
    assert (balances["customers"], balances["refunds"], balances["cash"]) == (-9500, 0, 9500)


@pytest.mark.parametrize("method", ["cash", "bank_transfer", "elsewhere"])
async def test_staff_record_what_the_school_got_itself(money: MoneyWorld, method: str) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    body = {"method": method, "reference": "Receipt 12"}
    payment = await money.school.post(f"/bookings/{booking['id']}/payment/record", body)
    assert (payment["status"], payment["method"], payment["reference"]) == ("succeeded", method, "Receipt 12")
    assert not money.pay(started["checkout_url"]).is_redirect
    await money.settle()
    assert await money.balances() == {"customers": -9500, "cash": 9500}


async def test_recording_finds_out_that_the_page_was_paid_meanwhile(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    money.pay(started["checkout_url"])
    refused = await money.school.post(
        f"/bookings/{booking['id']}/payment/record", {"method": "cash"}, expect=409
    )
    assert refused["code"] == "already_paid"
    assert (await money.payment(started))["method"] == "stripe"


async def test_recorded_cash_confirms_a_request(money: MoneyWorld, student: Client) -> None:
    booking = await money.requested(student)
    await money.school.post(f"/bookings/{booking['id']}/payment/record", {"method": "cash"})
    assert (await money.booking(booking))["status"] == "confirmed"


async def test_a_booking_without_a_price_needs_no_payment(money: MoneyWorld) -> None:
    money.ready.service = await money.school.add_service(price_cents=0)
    booking = await money.booked()
    refused = await money.school.post(f"/bookings/{booking['id']}/payment", {}, expect=409)
    assert refused["code"] == "nothing_to_pay"


async def test_a_guardian_pays_only_when_the_link_says_so(money: MoneyWorld) -> None:
    student_id = money.ready.student["id"]
    row = await money.school.add_guardian(student_id)
    guardian = await money.school.as_role("guardian", guardian_id=row["id"])
    booking = await money.booked()
    await money.school.patch(f"/students/{student_id}/guardians/{row['id']}", {"can_pay": False})
    refused = await guardian.post(f"/bookings/{booking['id']}/payment", {}, expect=403)
    assert refused["code"] == "forbidden"
    await money.school.patch(f"/students/{student_id}/guardians/{row['id']}", {"can_pay": True})
    assert (await money.start(booking, guardian))["checkout_url"]


async def test_customers_see_their_own_payments_without_the_split(money: MoneyWorld, student: Client) -> None:
    payment = await money.paid(await money.booked())
    other = await money.school.add_student("Somebody Else")
    stranger = await money.school.as_role("student", student_id=other["id"])
    seen = await student.get(f"/payments/{payment['id']}")
    assert seen["amount_cents"] == 9500
    assert [seen[name] for name in ("platform_fee_cents", "instructor_share_cents", "stripe_fee_cents")] == [
        None,
        None,
        None,
    ]
    assert payment["platform_fee_cents"] + payment["instructor_share_cents"] == 9500
    assert [row["id"] for row in (await student.get("/payments"))["items"]] == [payment["id"]]
    assert (await stranger.get("/payments"))["items"] == []
    await stranger.get(f"/payments/{payment['id']}", expect=404)
    await stranger.get(f"/payments/{payment['id']}/refunds", expect=404)


async def test_payments_are_found_by_booking_student_status_method_and_time(money: MoneyWorld) -> None:
    payment = await money.paid(await money.booked())
    now = money.clock()
    for wanted, found in (
        ({"booking_id": payment["booking_id"]}, 1),
        ({"student_id": money.ready.student["id"], "status": "succeeded"}, 1),
        ({"status": "failed"}, 0),
        ({"method": "cash"}, 0),
        ({"from": (now + timedelta(days=1)).isoformat()}, 0),
        ({"to": now.isoformat()}, 0),
        ({"from": now.isoformat()}, 1),
    ):
        page = await money.school.get("/payments", params=wanted)
        assert len(page["items"]) == found, wanted


async def test_what_stripe_refuses_ends_the_attempt_with_its_reason(money: MoneyWorld) -> None:
    money.ready.service = await money.school.add_service(price_cents=20)
    booking = await money.booked()
    refused = await money.school.post(f"/bookings/{booking['id']}/payment", {}, expect=409)
    assert refused["code"] == "payment_refused"
    assert refused["detail"]
