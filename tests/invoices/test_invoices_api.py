"""Invoices and credit notes from the event of a payment to the paper in the reader's hands."""

import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pypdf import PdfReader

from driveflow.core.actor import system_actor
from driveflow.core.db import Database
from driveflow.core.errors import ConflictError, NotFoundError
from driveflow.entrypoints.worker.loop import Worker
from driveflow.invoices import issuing
from driveflow.payments.lifecycle import PaymentStatus, RefundCause, RefundStatus
from support.cast import Cast, cast_of, trail
from support.outbox import worker_settings
from support.papers import database_of, paid, refunded
from support.schools import MONDAY_10_SYDNEY, Client, Clock, Ready, School

Work = Callable[[], Awaitable[int]]
PDF = {"Accept": "application/pdf"}


@pytest.fixture
def work(worker_database: Database, clock: Clock) -> Work:
    return Worker(worker_database, worker_settings(), clock=clock).run_until_idle


@pytest.fixture
async def registered(school: School) -> School:
    """A school that is registered for GST."""
    settings = {
        "version": 1,
        "name": "Harbour Driving School",
        "abn": "51 824 753 556",
        "address": "12 Wharf Road, Balmain",
        "email": "office@harbour.example",
        "tax_registered": True,
    }
    await school.patch("", settings)
    return school


async def booked(school: School, cast: Cast, *, days: int = 2) -> dict[str, Any]:
    """Book the cast's student with the cast's instructor, for 95 dollars."""
    service = await school.add_service("60-min Lesson" if days == 2 else None)
    ready = Ready(cast.instructor_row, cast.student_row, service)
    return await school.book(ready, MONDAY_10_SYDNEY + timedelta(days=days), override_hours=True)


async def papers(client: Client, **query: str) -> list[dict[str, Any]]:
    """Return the client's papers, oldest first."""
    page = await client.get("/invoices", params=query)
    return list(reversed(page["items"]))


async def test_a_payment_gets_its_tax_invoice_and_a_refund_its_adjustment_note(
    registered: School, clock: Clock, work: Work
) -> None:
    school = registered
    booking = await booked(school, await cast_of(school))
    payment_id = await paid(school, booking["id"])
    await work()
    clock.advance(days=1)
    refund_id = await refunded(school, payment_id, 4750, reason="Ill.")
    await work()

    invoice, note = await papers(school)
    assert invoice == {
        "id": invoice["id"],
        "kind": "invoice",
        "name": "INV-000001",
        "booking_id": booking["id"],
        "student_id": booking["student_id"],
        "payment_id": str(payment_id),
        "refund_id": None,
        "currency": "AUD",
        "total_cents": 9500,
        "tax_cents": 864,
        "issued_at": "2026-08-03T00:00:00Z",
    }
    assert (note["kind"], note["name"], note["refund_id"]) == ("credit_note", "CN-000001", str(refund_id))
    assert (note["total_cents"], note["tax_cents"]) == (4750, 432)
    paper = (await school.get(f"/invoices/{note['id']}"))["paper"]
    assert paper["title"] == "Adjustment note"
    assert paper["adjusts"] == {
        "number": "INV-000001",
        "title": "Tax invoice",
        "issued_at": "2026-08-03T00:00:00Z",
        "price_before_cents": 9500,
        "price_after_cents": 4750,
        "reason": "Ill.",
    }
    [(action, _, after)] = await trail(school, "Invoice", invoice["id"])
    assert (action, after) == (
        "INVOICE_ISSUED",
        {"number": "INV-000001", "total_cents": 9500, "tax_cents": 864},
    )
    assert [row[0] for row in await trail(school, "Invoice", note["id"])] == ["CREDIT_NOTE_ISSUED"]


async def test_a_paper_comes_as_pdf_by_its_suffix_by_accept_and_by_its_payment(
    registered: School, work: Work
) -> None:
    school = registered
    payment_id = await paid(school, (await booked(school, await cast_of(school)))["id"])
    await school.get(f"/payments/{payment_id}/invoice", expect=404)
    await work()
    [invoice] = await papers(school)

    by_suffix = await school.request("GET", f"/invoices/{invoice['id']}.pdf", expect=200)
    by_accept = await school.request("GET", f"/invoices/{invoice['id']}", headers=PDF, expect=200)
    by_payment = await school.request("GET", f"/payments/{payment_id}/invoice", expect=200)
    assert by_suffix.content == by_accept.content == by_payment.content
    for answer in (by_suffix, by_accept, by_payment):
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == 'inline; filename="INV-000001.pdf"'
        assert answer.headers["cache-control"] == "no-store"
    assert by_accept.headers["vary"] == by_payment.headers["vary"] == "Accept"
    text = PdfReader(io.BytesIO(by_suffix.content)).pages[0].extract_text()
    for wanted in ("Tax invoice", "ABN 51 824 753 556", "Own Student", "60-min Lesson with Own Instructor"):
        assert wanted in text
    as_json = await school.get(f"/payments/{payment_id}/invoice", headers={"Accept": "application/json"})
    assert as_json == await school.get(f"/invoices/{invoice['id']}")


async def test_the_guardian_who_paid_is_the_buyer(registered: School, work: Work) -> None:
    cast = await cast_of(registered)
    booking = await booked(registered, cast)
    await paid(registered, booking["id"], payer_guardian_id=UUID(cast.guardian_row["id"]))
    await work()
    [invoice] = await papers(cast.guardian)
    paper = (await cast.guardian.get(f"/invoices/{invoice['id']}"))["paper"]
    assert paper["buyer"] == {"name": "Own Guardian", "email": None, "student_name": "Own Student"}


async def test_an_unregistered_school_issues_invoices_without_tax(school: School, work: Work) -> None:
    payment_id = await paid(school, (await booked(school, await cast_of(school)))["id"], method="cash")
    await refunded(school, payment_id, 9500, cause=RefundCause.CANCELLATION.value)
    await work()
    invoice, note = await papers(school)
    assert (invoice["tax_cents"], note["tax_cents"]) == (0, 0)
    shown = [(await school.get(f"/invoices/{row['id']}"))["paper"] for row in (invoice, note)]
    assert [paper["title"] for paper in shown] == ["Invoice", "Credit note"]
    assert [paper["statement"] for paper in shown] == [None, None]
    assert shown[0]["received"]["method"] == "cash"
    assert shown[1]["adjusts"]["reason"] == "The booking was cancelled."


async def test_an_issued_paper_stays_as_it_was_printed(registered: School, work: Work) -> None:
    school = registered
    cast = await cast_of(school)
    payment_id = await paid(school, (await booked(school, cast))["id"])
    await work()
    [invoice] = await papers(school)
    before = await school.request("GET", f"/invoices/{invoice['id']}.pdf")

    await school.patch(f"/students/{cast.student_row['id']}", {"version": 1, "full_name": "Married Student"})
    await school.patch("", {"version": 2, "name": "Renamed", "tax_registered": False, "locale": "de_DE"})
    after = await school.request("GET", f"/invoices/{invoice['id']}.pdf")
    assert after.content == before.content
    # The credit note goes by the tax status of its invoice, and names the same buyer.
    await refunded(school, payment_id, 9500)
    await work()
    note = (await papers(school))[1]
    paper = (await school.get(f"/invoices/{note['id']}"))["paper"]
    assert (paper["title"], paper["tax_cents"]) == ("Adjustment note", 864)
    assert (paper["seller"]["name"], paper["buyer"]["name"]) == ("Harbour Driving School", "Own Student")
    for statement in ("UPDATE invoices SET number = 7", "DELETE FROM invoices"):
        async with database_of(school).connection(school.org_id) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
            await connection.execute("ROLLBACK")


async def test_notes_of_a_payment_refunded_in_three_parts_take_back_its_tax_to_the_cent(
    registered: School, work: Work
) -> None:
    payment_id = await paid(registered, (await booked(registered, await cast_of(registered)))["id"])
    for amount_cents in (3166, 3167, 3167):
        await refunded(registered, payment_id, amount_cents)
    await work()
    invoice, *notes = await papers(registered, payment_id=str(payment_id))
    assert len(notes) == 3
    assert sum(note["total_cents"] for note in notes) == invoice["total_cents"]
    assert sum(note["tax_cents"] for note in notes) == invoice["tax_cents"]
    prices = [(await registered.get(f"/invoices/{note['id']}"))["paper"]["adjusts"] for note in notes]
    assert prices[0]["price_before_cents"] == 9500
    assert prices[2]["price_after_cents"] == 0


async def test_a_refund_whose_event_comes_first_brings_its_invoice_along_once(
    registered: School, clock: Clock, work: Work, owner_connection: asyncpg.Connection
) -> None:
    school = registered
    payment_id = await paid(school, (await booked(school, await cast_of(school)))["id"])
    await owner_connection.execute(
        "UPDATE outbox SET available_at = $1 WHERE org_id = $2 AND topic = 'payment.succeeded'",
        clock.now + timedelta(hours=1),
        school.org_id,
    )
    await refunded(school, payment_id, 9500, cause=RefundCause.SLOT_LOST.value)
    await work()
    assert [row["name"] for row in await papers(school)] == ["INV-000001", "CN-000001"]
    clock.advance(hours=2)
    await work()
    assert len(await papers(school)) == 2


async def test_a_second_payment_that_goes_back_was_never_invoiced(registered: School, work: Work) -> None:
    payment_id = await paid(registered, (await booked(registered, await cast_of(registered)))["id"])
    await refunded(registered, payment_id, 9500, cause=RefundCause.PAID_TWICE.value)
    await work()
    assert [row["kind"] for row in await papers(registered)] == ["invoice"]


async def test_a_refund_that_failed_after_its_note_is_not_credited_twice(
    registered: School, owner_connection: asyncpg.Connection, work: Work
) -> None:
    payment_id = await paid(registered, (await booked(registered, await cast_of(registered)))["id"])
    failed = await refunded(registered, payment_id, 4000)
    await work()
    await owner_connection.execute("UPDATE refunds SET status = 'failed' WHERE id = $1", failed)
    await refunded(registered, payment_id, 4000)
    await work()
    await refunded(registered, payment_id, 1000)
    await work()
    _, *notes = await papers(registered)
    assert [note["total_cents"] for note in notes] == [4000, 1000]


async def test_there_is_no_paper_before_the_money_has_moved(registered: School) -> None:
    school = registered
    booking = await booked(school, await cast_of(school))
    payment_id = await paid(school, booking["id"], status=PaymentStatus.PROCESSING.value)
    refund_id = await refunded(school, payment_id, 1, status=RefundStatus.PENDING)
    actor = system_actor(school.org_id)
    async with database_of(school).session(school.org_id) as session:
        with pytest.raises(ConflictError, match="money has come in") as not_paid:
            await issuing.issue_invoice(session, actor, payment_id, now=school.clock.now)
        assert await issuing.issue_credit_note(session, actor, refund_id, now=school.clock.now) is None
        with pytest.raises(NotFoundError):
            await issuing.issue_invoice(session, actor, refund_id, now=school.clock.now)
    assert not_paid.value.code == "not_paid"
    assert await papers(school) == []


async def test_students_and_guardians_see_their_own_papers_only(registered: School, work: Work) -> None:
    school = registered
    cast = await cast_of(school)
    own = await paid(school, (await booked(school, cast))["id"])
    others = Ready(cast.instructor_row, await school.add_student("Other"), await school.add_service())
    booking = await school.book(others, MONDAY_10_SYDNEY + timedelta(days=4), override_hours=True)
    foreign = await paid(school, booking["id"])
    await work()
    assert len(await papers(school)) == 2
    [foreign_paper] = await papers(school, booking_id=booking["id"], kind="invoice")
    for learner in cast.learners:
        assert [row["payment_id"] for row in await papers(learner)] == [str(own)]
        assert await papers(learner, student_id=others.student["id"]) == []
        for path in (
            f"/invoices/{foreign_paper['id']}",
            f"/invoices/{foreign_paper['id']}.pdf",
            f"/payments/{foreign}/invoice",
        ):
            await learner.get(path, expect=404)
        await learner.request("GET", f"/payments/{own}/invoice", expect=200)
    await cast.instructor.get("/invoices", expect=403)
