"""What people hear of payments, refunds and payouts."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from driveflow.core.db import Base
from driveflow.core.outbox import Topic, emit
from driveflow.payments.lifecycle import PaymentStatus
from driveflow.payments.models import Payment, Refund
from driveflow.payouts.models import Payout
from support.post_office import PostOffice, messages, text_of
from support.schools import MONDAY_10_SYDNEY, Ready, School

TOMORROW_10 = MONDAY_10_SYDNEY + timedelta(days=1)
ALEX = "alex@learners.example"


async def paid(school: School, post: PostOffice) -> tuple[Ready, dict[str, Any], Payment]:
    """A booking with a payment, whose other messages have gone."""
    ready = Ready(
        await school.add_instructor(phone="+61491570158"),
        await school.add_student(email=ALEX),
        await school.add_service(),
    )
    await school.add_guardian(ready.student["id"], email="pays@families.example")
    await school.add_guardian(ready.student["id"], email="not@families.example", can_pay=False)
    booking = await school.book(ready, TOMORROW_10)
    payment = Payment(
        org_id=school.org_id,
        id=uuid4(),
        booking_id=UUID(booking["id"]),
        amount_cents=9500,
        platform_fee_cents=475,
        instructor_share_cents=9025,
        currency="AUD",
        status=PaymentStatus.SUCCEEDED.value,
        paid_at=school.clock.now,
    )
    await add(school, payment)
    await post.work()
    return ready, booking, payment


async def add(school: School, row: Base) -> None:
    assert school.database is not None
    async with school.database.session(school.org_id) as session:
        session.add(row)


async def happened(school: School, topic: Topic, **payload: object) -> None:
    assert school.database is not None
    async with school.database.session(school.org_id) as session:
        plain = {name: str(value) for name, value in payload.items()}
        await emit(session, school.org_id, topic, plain, now=school.clock.now)


async def told(school: School, template: str) -> dict[str, str]:
    return {row["to_address"]: row["body"] for row in await messages(school, template_key=template)}


async def test_those_who_pay_get_the_receipt(school: School, post: PostOffice) -> None:
    _, booking, payment = await paid(school, post)
    await happened(school, Topic.PAYMENT_SUCCEEDED, payment_id=payment.id, booking_id=booking["id"])
    await post.work()
    receipts = await told(school, "payment_receipt")
    assert receipts.keys() == {ALEX, "pays@families.example"}
    assert "Amount: $95.00" in receipts[ALEX]
    assert "Student: Alex Student" in receipts[ALEX]
    # Business that was agreed goes on after an unsubscribe, so it shows no way out of it.
    assert post.mails(ALEX)[-1]["List-Unsubscribe"] is None


async def test_a_failed_payment_asks_to_try_again(school: School, post: PostOffice) -> None:
    _, _, payment = await paid(school, post)
    await happened(school, Topic.PAYMENT_FAILED, payment_id=payment.id)
    await post.work()
    assert "https://driveflow.example/me/pay" in (await told(school, "payment_failed"))[ALEX]


async def test_a_refund_is_told_to_payers_and_one_that_failed_to_the_school(
    school: School, post: PostOffice
) -> None:
    _, booking, payment = await paid(school, post)
    await school.patch("", {"version": 1, "email": "desk@school.example"})
    refund = Refund(
        org_id=school.org_id, id=uuid4(), payment_id=payment.id, amount_cents=4750, reason="Cancelled\nlate"
    )
    await add(school, refund)
    about = {"refund_id": refund.id, "payment_id": payment.id, "booking_id": booking["id"]}
    await happened(school, Topic.REFUND_SUCCEEDED, **about)
    await happened(school, Topic.REFUND_FAILED, **about)
    await post.work()
    refunds = await told(school, "refund")
    assert refunds.keys() == {ALEX, "pays@families.example"}
    assert "Amount: $47.50" in refunds[ALEX]
    assert "Reason: Cancelled late" in refunds[ALEX]
    failed = await told(school, "refund_failed")
    assert failed.keys() == {"desk@school.example"}
    assert "has not got the money" in failed["desk@school.example"]


async def test_an_instructor_is_told_of_a_payout_with_and_without_a_booking(
    school: School, post: PostOffice
) -> None:
    ready, booking, _ = await paid(school, post)
    instructor_id = UUID(ready.instructor["id"])
    for amount_cents, booking_id in ((9025, UUID(booking["id"])), (1000, None)):
        payout = Payout(
            org_id=school.org_id,
            id=uuid4(),
            instructor_id=instructor_id,
            booking_id=booking_id,
            amount_cents=amount_cents,
        )
        await add(school, payout)
        await happened(school, Topic.PAYOUT_PAID, payout_id=payout.id)
    await post.work()
    rows = await messages(school, template_key="payout")
    assert {row["related_type"] for row in rows} == {"Booking", "Payout"}
    texts = [text.body for text in post.texts("+61491570158") if "payout" in text.body]
    assert sorted("$90.25" in text for text in texts) == [False, True]


async def test_what_is_gone_is_not_told_of(school: School, post: PostOffice) -> None:
    await happened(school, Topic.PAYMENT_FAILED, payment_id=uuid4())
    await happened(school, Topic.BOOKING_CONFIRMED, booking_id=uuid4(), status="confirmed")
    await happened(
        school,
        Topic.BOOKING_REMINDER_DUE,
        booking_id=uuid4(),
        start_at=TOMORROW_10.isoformat(),
        minutes_before=120,
        means="any",
    )
    await happened(school, Topic.MESSAGE_SEND, message_id=uuid4())
    await post.work()
    assert await messages(school) == []


async def test_a_confirmation_that_a_cancellation_overtook_is_not_sent(
    school: School, post: PostOffice
) -> None:
    ready = Ready(
        await school.add_instructor(), await school.add_student(email=ALEX), await school.add_service()
    )
    booking = await school.book(ready, TOMORROW_10)
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    await post.work()
    assert [row["template_key"] for row in await messages(school, recipient_id=ready.student["id"])] == [
        "booking_cancelled"
    ]
    assert len(text_of(post.mails(ALEX)[0])) > 100
