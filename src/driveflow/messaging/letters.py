"""What each message says: subject, paragraphs, facts, link, and the short form for phones.

One function a template; `rendering.py` makes mail of it. Sentences are English and marked by `say`, which
`scripts/translations.py` collects. Texts of people come in cleaned (`facts.py`).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.messaging.letter import SHORT_NAME, Letter, Writer
from driveflow.messaging.triggers import RecipientKind, TemplateKey
from driveflow.messaging.wording import clean


def _requested(writer: Writer) -> Letter:
    until = writer.booking.hold_expires_at
    paragraphs = [writer.say("A lesson was requested. It is not confirmed yet.")]
    if until is not None:
        held = writer.language.moment(until, writer.booking.time_zone)
        paragraphs.append(writer.say("The time is held until %(until)s.", until=held))
    return writer.letter(
        writer.say("Lesson requested: %(when)s", when=writer.short_when()),
        paragraphs,
        writer.lesson_facts(),
        writer.say(
            "%(school)s: %(service)s with %(instructor)s on %(when)s is requested, not confirmed yet.",
            **writer.short_values(),
        ),
    )


def _confirmed(writer: Writer) -> Letter:
    letter = writer.letter(
        writer.say("Lesson confirmed: %(when)s", when=writer.short_when()),
        [writer.say("The lesson is confirmed.")],
        writer.lesson_facts(),
        writer.say(
            "%(school)s: %(service)s with %(instructor)s on %(when)s is confirmed.", **writer.short_values()
        ),
    )
    return writer.with_calendar(letter)


def _moved(writer: Writer) -> Letter:
    paragraphs = [writer.say("The lesson was moved. This is its new time.")]
    confirmed = writer.booking.status is not BookingStatus.REQUESTED
    if not confirmed:
        paragraphs.append(writer.say("It is not confirmed yet."))
    letter = writer.letter(
        writer.say("Lesson moved: %(when)s", when=writer.short_when()),
        paragraphs,
        writer.lesson_facts(),
        writer.say(
            "%(school)s: your %(service)s was moved to %(when)s, with %(instructor)s.",
            **writer.short_values(),
        ),
    )
    return writer.with_calendar(letter) if confirmed else letter


def _handed_over(writer: Writer) -> Letter:
    letter = writer.letter(
        writer.say("Lesson handed over: %(when)s", when=writer.short_when()),
        [writer.say("Another instructor gives this lesson now.")],
        writer.lesson_facts(),
        writer.say(
            "%(school)s: the lesson of %(student)s is now on %(when)s with %(instructor)s.",
            **writer.short_values(),
        ),
    )
    return writer.with_calendar(letter, cancelled=True)


def _cancelled(writer: Writer) -> Letter:
    booking = writer.booking
    pays = writer.reader.kind is not RecipientKind.INSTRUCTOR
    fee = writer.language.money(booking.fee_cents, booking.currency)
    paragraphs = [writer.say("The lesson was cancelled.")]
    if booking.expired:
        paragraphs = [writer.say("The request was not confirmed in time; the lesson does not take place.")]
    elif booking.reason:
        paragraphs.append(writer.say("Reason: %(reason)s", reason=booking.reason))
    if pays and booking.fee_cents:
        paragraphs.append(writer.say("A cancellation fee of %(fee)s applies.", fee=fee))
    elif pays and booking.fee_waived:
        paragraphs.append(writer.say("The cancellation fee was waived."))
    short = writer.say("%(school)s: %(service)s on %(when)s is cancelled.", **writer.short_values())
    if pays and booking.fee_cents:
        short += " " + writer.say("Fee: %(fee)s.", fee=fee)
    letter = writer.letter(
        writer.say("Lesson cancelled: %(when)s", when=writer.short_when()),
        paragraphs,
        writer.lesson_facts(),
        short,
        amount=fee if booking.fee_cents else "",
    )
    # A request that ran out never came with a calendar file.
    return letter if booking.expired else writer.with_calendar(letter, cancelled=True)


def _missed(writer: Writer) -> Letter:
    booking = writer.booking
    fee = writer.language.money(booking.fee_cents, booking.currency)
    paragraphs = [writer.say("Nobody came to the lesson, so it was recorded as missed.")]
    if booking.fee_cents:
        paragraphs.append(writer.say("A fee of %(fee)s applies.", fee=fee))
    paragraphs.append(writer.say("If this is a mistake, please tell us."))
    return writer.letter(
        writer.say("Lesson missed: %(when)s", when=writer.short_when()),
        paragraphs,
        writer.lesson_facts(),
        writer.say("%(school)s: %(service)s on %(when)s was missed.", **writer.short_values()),
        amount=fee if booking.fee_cents else "",
    )


def _reminder(writer: Writer) -> Letter:
    return writer.letter(
        writer.say("Reminder: lesson %(when)s", when=writer.short_when()),
        [writer.say("This is a reminder of the next lesson.")],
        writer.lesson_facts(),
        writer.say(
            "%(school)s: reminder of %(service)s with %(instructor)s on %(when)s.", **writer.short_values()
        ),
    )


def _summary(writer: Writer) -> Letter:
    lesson = writer.facts.lesson
    if lesson is None:
        raise ValueError("a summary needs its lesson")
    facts = [
        (writer.say("When"), writer.when()),
        (writer.say("Lesson"), writer.booking.service),
        (writer.say("Student"), writer.booking.student),
        (writer.say("Instructor"), writer.booking.instructor),
    ]
    if lesson.duration_sec is not None:
        facts.append((writer.say("Duration"), writer.language.minutes(lesson.duration_sec)))
    if lesson.distance_m:
        facts.append((writer.say("Distance driven"), writer.language.kilometres(lesson.distance_m)))
    if lesson.rating is not None:
        facts.append((writer.say("Rating"), writer.say("%(stars)s of 5", stars=str(lesson.rating))))
    if lesson.notes:
        facts.append((writer.say("Notes"), lesson.notes))
    link = f"{writer.public_url}/me/lessons/{lesson.id}"
    return writer.letter(
        writer.say("Lesson summary: %(when)s", when=writer.short_when()),
        [writer.say("The lesson is over. This is how it went.")],
        facts,
        writer.say("%(school)s: how the lesson went: ", **writer.short_values()) + link,
        link=(writer.say("See the lesson and the driven route"), link),
    )


def _money_facts(writer: Writer) -> tuple[list[tuple[str, str]], str]:
    money = writer.facts.money
    if money is None:
        raise ValueError("this letter needs an amount")
    amount = writer.language.money(money.amount_cents, money.currency)
    facts = [(writer.say("Amount"), amount)]
    if writer.facts.booking is not None:
        facts += [
            (writer.say("Lesson"), writer.booking.service),
            (writer.say("When"), writer.when()),
            (writer.say("Student"), writer.booking.student),
        ]
    if money.reason:
        facts.append((writer.say("Reason"), money.reason))
    return facts, amount


def _receipt(writer: Writer) -> Letter:
    facts, amount = _money_facts(writer)
    return writer.letter(
        writer.say("Payment received: %(amount)s", amount=amount),
        [writer.say("Thank you. The payment has arrived.")],
        facts,
        writer.say(
            "%(school)s: payment of %(amount)s received for %(service)s on %(when)s. Thank you.",
            **writer.short_values(),
            amount=amount,
        ),
        amount=amount,
    )


def _payment_failed(writer: Writer) -> Letter:
    facts, amount = _money_facts(writer)
    link = f"{writer.public_url}/me/pay"
    return writer.letter(
        writer.say("Payment failed: %(amount)s", amount=amount),
        [writer.say("The payment did not go through, and nothing was taken. Please try again.")],
        facts,
        writer.say(
            "%(school)s: the payment of %(amount)s did not go through. Try again: ",
            **writer.short_values(),
            amount=amount,
        )
        + link,
        link=(writer.say("Pay again"), link),
        amount=amount,
    )


def _refund(writer: Writer) -> Letter:
    facts, amount = _money_facts(writer)
    return writer.letter(
        writer.say("Refund: %(amount)s", amount=amount),
        [
            writer.say("A refund is on its way back to where the payment came from."),
            writer.say("Banks usually take 5 to 10 days to show it."),
        ],
        facts,
        writer.say(
            "%(school)s: a refund of %(amount)s for %(service)s is on its way.",
            **writer.short_values(),
            amount=amount,
        ),
        amount=amount,
    )


def _refund_failed(writer: Writer) -> Letter:
    facts, amount = _money_facts(writer)
    link = f"{writer.public_url}/o/{writer.facts.school.id}/money"
    return writer.letter(
        writer.say("Refund failed: %(amount)s", amount=amount),
        [
            writer.say("A refund came back from the bank. The customer has not got the money."),
            writer.say("Try it again, or pay the customer another way and record it."),
        ],
        facts,
        writer.say("A refund of %(amount)s failed. See ", amount=amount) + link,
        link=(writer.say("Open the money page"), link),
        amount=amount,
    )


def _payout(writer: Writer) -> Letter:
    facts, amount = _money_facts(writer)
    link = f"{writer.public_url}/i/earnings"
    school = clean(writer.facts.school.name, SHORT_NAME)
    return writer.letter(
        writer.say("Payout: %(amount)s", amount=amount),
        [writer.say("A payout was made to you.")],
        facts,
        writer.say("%(school)s: a payout of %(amount)s was made to you.", school=school, amount=amount),
        link=(writer.say("See my earnings"), link),
        amount=amount,
    )


_LETTERS: Final[Mapping[TemplateKey, Callable[[Writer], Letter]]] = MappingProxyType(
    {
        TemplateKey.BOOKING_REQUESTED: _requested,
        TemplateKey.BOOKING_CONFIRMED: _confirmed,
        TemplateKey.BOOKING_MOVED: _moved,
        TemplateKey.BOOKING_HANDED_OVER: _handed_over,
        TemplateKey.BOOKING_CANCELLED: _cancelled,
        TemplateKey.BOOKING_MISSED: _missed,
        TemplateKey.REMINDER: _reminder,
        TemplateKey.LESSON_SUMMARY: _summary,
        TemplateKey.PAYMENT_RECEIPT: _receipt,
        TemplateKey.PAYMENT_FAILED: _payment_failed,
        TemplateKey.REFUND: _refund,
        TemplateKey.REFUND_FAILED: _refund_failed,
        TemplateKey.PAYOUT: _payout,
    }
)


def write(template: TemplateKey, writer: Writer) -> Letter:
    """Return the letter of a template."""
    return _LETTERS[template](writer)
