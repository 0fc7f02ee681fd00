"""Who sees which payout, who may open an account, and how lists of payouts are narrowed."""

from sqlalchemy import func, select

from driveflow.payments.models import StripeRequest
from support.payout_world import PayoutWorld
from support.schools import School


async def test_instructors_see_their_own_payouts_and_staff_see_all(world: PayoutWorld) -> None:
    other = await world.school.add_instructor("Other Instructor")
    mine, theirs = await world.paid_lesson(), await world.paid_lesson(instructor=other)
    instructor = await world.school.as_role("instructor", instructor_id=world.ready.instructor["id"])
    own, foreign = await world.payout(mine), await world.payout(theirs)
    assert [row["id"] for row in (await instructor.get("/payouts"))["items"]] == [own["id"]]
    assert (await instructor.get(f"/payouts/{own['id']}"))["lines"] == own["lines"]
    await instructor.get(f"/payouts/{foreign['id']}", expect=404)
    assert (await instructor.get("/payouts", params={"instructor_id": other["id"]}))["items"] == []
    everyone = (await world.school.get("/payouts"))["items"]
    assert [row["id"] for row in everyone] == [foreign["id"], own["id"]]
    assert everyone[0]["lines"] == foreign["lines"]
    narrowed = await world.school.get("/payouts", params={"instructor_id": other["id"], "status": "pending"})
    assert [row["id"] for row in narrowed["items"]] == [foreign["id"]]
    assert (await world.school.get("/payouts", params={"status": "paid"}))["items"] == []
    first = await world.school.get("/payouts", params={"limit": 1})
    rest = await world.school.get("/payouts", params={"limit": 1, "cursor": first["next_cursor"]})
    assert [row["id"] for row in first["items"] + rest["items"]] == [foreign["id"], own["id"]]


async def test_an_instructor_opens_only_the_own_account_and_marks_nothing_paid(world: PayoutWorld) -> None:
    other = await world.school.add_instructor("Other Instructor")
    instructor = await world.school.as_role("instructor", instructor_id=world.ready.instructor["id"])
    await instructor.post(f"/instructors/{other['id']}/onboarding", expect=404)
    opened = await instructor.post(f"/instructors/{world.ready.instructor['id']}/onboarding", expect=200)
    assert opened["expires_at"].endswith("Z")
    booking = await world.paid_lesson()
    payout = await world.payout(booking)
    await instructor.post(f"/payouts/{payout['id']}/mark-paid", {}, expect=403)
    refused = await world.school.post(f"/payouts/{payout['id']}/mark-paid", {}, expect=409)
    assert refused["code"] == "paid_by_stripe"


async def test_without_stripe_no_account_is_opened_and_nothing_is_left_behind(school: School) -> None:
    instructor = await school.add_instructor()
    refused = await school.post(f"/instructors/{instructor['id']}/onboarding", expect=409)
    assert refused["code"] == "stripe_not_configured"
    assert school.database is not None
    async with school.database.session(school.org_id) as session:
        rows = await session.scalar(
            select(func.count()).select_from(StripeRequest).where(StripeRequest.org_id == school.org_id)
        )
    assert rows == 0


async def test_stripes_form_leads_back_to_a_page_that_says_what_happens_next(world: PayoutWorld) -> None:
    for page, words in (("done", "Payouts begin by themselves"), ("again", "This link is used up")):
        answer = await world.school.http.get(f"/onboarding/{page}")
        assert answer.status_code == 200
        assert words in answer.text


async def test_every_step_of_a_payout_stands_in_the_audit_log(world: PayoutWorld) -> None:
    await world.onboard()
    booking = await world.paid_lesson()
    await world.mature()
    await world.refund(booking, 950)
    payout = await world.payout(booking)
    query = {"entity_type": "Payout", "entity_id": payout["id"]}
    rows = (await world.school.get("/audit-log", params=query))["items"]
    assert [row["action"] for row in rows] == [
        "PAYOUT_REVERSED",
        "PAYOUT_UPDATED",
        "PAYOUT_PAID",
        "PAYOUT_CREATED",
    ]
    assert rows[1]["after"]["reason"].startswith("The same part of what was refunded to the customer.")
