"""What messages say: in the school's zone, the reader's language, harmless whatever people typed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import translations
from babel.messages.pofile import read_po, write_po
from icalendar import Calendar

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.messaging.channels import Addresses, MessageChannel
from driveflow.messaging.facts import BookingTold, Facts, LessonTold, MoneyTold, SchoolTold
from driveflow.messaging.language import CATALOGUES, DOMAIN, language
from driveflow.messaging.letter import Letter, Writer, with_unsubscribe
from driveflow.messaging.letters import write
from driveflow.messaging.rendering import as_html, as_text, body_for, subject_for
from driveflow.messaging.triggers import Person, RecipientKind, TemplateKey
from driveflow.messaging.wording import MAX_SEGMENTS, segments

NOW = datetime(2026, 8, 3, tzinfo=UTC)
BOOKING = BookingTold(
    id=UUID(int=3),
    version=2,
    status=BookingStatus.CONFIRMED,
    start_at=datetime(2026, 8, 4, 0, 0, tzinfo=UTC),
    end_at=datetime(2026, 8, 4, 1, 0, tzinfo=UTC),
    time_zone="Australia/Sydney",
    service="60-min Lesson",
    student="Alex Student",
    instructor="Casey Instructor",
    pickup="1 High St, Bondi",
    price_cents=9500,
    currency="AUD",
    fee_cents=0,
    fee_waived=False,
    reason="",
    expired=False,
    hold_expires_at=None,
)
FACTS = Facts(
    school=SchoolTold(UUID(int=1), "Bondi Driving", "en_AU", "office@bondi.example", "+61290000000", "Bondi"),
    now=NOW,
    booking=BOOKING,
    lesson=LessonTold(UUID(int=9), 3540, 21_340, 4, "Good at roundabouts."),
    money=MoneyTold(9500, "AUD"),
)
STUDENT = Person(RecipientKind.STUDENT, UUID(int=2), "Alex Student", Addresses("a@x.example", None))
TEACHER = Person(RecipientKind.INSTRUCTOR, UUID(int=4), "Casey Instructor", Addresses("c@x.example", None))
OFFICE = Person(RecipientKind.SCHOOL, UUID(int=1), "Bondi Driving", Addresses("o@x.example", None))


def letter(
    template: TemplateKey,
    *,
    reader: Person = STUDENT,
    locale: str = "en_AU",
    catalogues: Path = CATALOGUES,
    facts: Facts = FACTS,
    **booking: Any,
) -> Letter:
    told = replace(facts, booking=replace(BOOKING, **booking)) if booking else facts
    return write(
        template,
        Writer(told, reader, language(locale, catalogues), "https://driveflow.example", "o@bondi.example"),
    )


@pytest.mark.parametrize("template", list(TemplateKey))
@pytest.mark.parametrize("reader", [STUDENT, TEACHER, OFFICE])
def test_every_template_makes_a_mail_its_twin_and_a_short_text(template: TemplateKey, reader: Person) -> None:
    made = letter(template, reader=reader)
    html, text = as_html(made), as_text(made)
    for paragraph in (made.greeting, *made.paragraphs, made.link):
        assert paragraph in text
        assert paragraph in html
    for label, value in made.facts:
        assert f"{label}: {value}" in text
        assert value in html
    assert segments(made.short) <= 2
    assert len(made.variables) == 7
    assert all(made.variables)
    assert '<html lang="en-AU">' in html
    assert "prefers-color-scheme: dark" in html
    assert Letter.from_json(made.to_json()) == made
    assert subject_for(made, MessageChannel.EMAIL) == made.subject
    assert subject_for(made, MessageChannel.SMS) is None
    assert body_for(made, MessageChannel.SMS) == made.short


def test_times_are_the_schools_and_say_so() -> None:
    sydney = letter(TemplateKey.BOOKING_CONFIRMED)
    chatham = letter(TemplateKey.BOOKING_CONFIRMED, time_zone="Pacific/Chatham", locale="en_NZ")
    assert dict(sydney.facts)["When"] == (
        "Tuesday, 4 August 2026 at 10:00 am (Australian Eastern Standard Time)"
    )
    assert dict(chatham.facts)["When"].startswith("Tuesday, 4 August 2026 at 12:45")
    assert "Chatham Standard Time" in dict(chatham.facts)["When"]
    assert "Tue, 4 Aug, 10:00 am AEST" in sydney.short
    assert sydney.short.isascii()
    winter = letter(TemplateKey.REMINDER, start_at=datetime(2026, 12, 1, 22, 30, tzinfo=UTC))
    assert "Wed, 2 Dec, 9:30 am AEDT" in winter.short


def test_the_summary_tells_how_the_lesson_went_and_links_to_the_route() -> None:
    made = letter(TemplateKey.LESSON_SUMMARY)
    assert dict(made.facts) | {"When": ""} == {
        "When": "",
        "Lesson": "60-min Lesson",
        "Student": "Alex Student",
        "Instructor": "Casey Instructor",
        "Duration": "59 min",
        "Distance driven": "21.3 km",
        "Rating": "4 of 5",
        "Notes": "Good at roundabouts.",
    }
    assert made.link == f"https://driveflow.example/me/lessons/{UUID(int=9)}"
    bare = replace(FACTS, lesson=LessonTold(UUID(int=9), None, None, None, ""))
    assert len(letter(TemplateKey.LESSON_SUMMARY, facts=bare).facts) == 4


@pytest.mark.parametrize(
    ("values", "said", "unsaid"),
    [
        ({"fee_cents": 4750}, "A cancellation fee of $47.50 applies.", "waived"),
        ({"fee_waived": True}, "The cancellation fee was waived.", "applies"),
        ({"reason": "Car broke down"}, "Reason: Car broke down", "fee"),
        ({"expired": True, "reason": "The hold expired."}, "not confirmed in time", "Reason"),
    ],
)
def test_a_cancellation_tells_what_it_costs(values: dict[str, Any], said: str, unsaid: str) -> None:
    text = as_text(letter(TemplateKey.BOOKING_CANCELLED, **values))
    assert said in text
    assert unsaid not in text


def test_the_calendar_file_goes_with_what_makes_moves_or_cancels_a_lesson() -> None:
    methods = {
        template: letter(template).calendar_method
        for template in TemplateKey
        if letter(template).calendar is not None
    }
    assert methods == {
        TemplateKey.BOOKING_CONFIRMED: "PUBLISH",
        TemplateKey.BOOKING_MOVED: "PUBLISH",
        TemplateKey.BOOKING_HANDED_OVER: "CANCEL",
        TemplateKey.BOOKING_CANCELLED: "CANCEL",
    }
    requested = letter(TemplateKey.BOOKING_MOVED, status=BookingStatus.REQUESTED)
    assert requested.calendar is None
    assert "It is not confirmed yet." in requested.paragraphs
    assert letter(TemplateKey.BOOKING_CANCELLED, expired=True).calendar is None
    mine = letter(TemplateKey.BOOKING_CONFIRMED, reader=TEACHER).calendar
    assert mine is not None
    parsed: Any = Calendar.from_ical(mine)
    [event] = parsed.events
    assert event["summary"] == "60-min Lesson: Alex Student"
    assert event["sequence"] == 1
    assert event["organizer"] == "mailto:o@bondi.example"


def test_a_request_says_until_when_it_is_held() -> None:
    until = NOW + timedelta(minutes=30)
    text = as_text(letter(TemplateKey.BOOKING_REQUESTED, hold_expires_at=until))
    assert "The time is held until Monday, 3 August 2026 at 10:30 am" in text


def test_what_people_typed_stays_text() -> None:
    evil = '<script>alert(1)</script> %(school)s "x" {{ 7 * 7 }}'
    made = letter(TemplateKey.BOOKING_CONFIRMED, student=evil, pickup=evil, instructor=evil)
    html = as_html(made)
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; %(school)s" in html
    assert "{{ 7 * 7 }}" in html
    assert "49" not in html.replace("#4d5663", "")
    long = letter(TemplateKey.REMINDER, service="ш" * 100, instructor="ш" * 100)
    assert segments(long.short) <= MAX_SEGMENTS


def test_only_what_may_be_unsubscribed_from_shows_the_way_out() -> None:
    plain = letter(TemplateKey.REMINDER)
    assert "unsubscribe" not in as_text(plain) + as_html(plain)
    url = "https://driveflow.example/unsubscribe/abc"
    with_link = with_unsubscribe(plain, language("en_AU"), url)
    assert url in as_text(with_link)
    assert f'href="{url}"' in as_html(with_link)


@pytest.mark.parametrize("template", [TemplateKey.LESSON_SUMMARY, TemplateKey.PAYMENT_RECEIPT])
def test_a_letter_without_its_facts_is_a_mistake(template: TemplateKey) -> None:
    with pytest.raises(ValueError, match="needs"):
        letter(template, facts=replace(FACTS, lesson=None, money=None))


def test_a_payout_needs_no_booking_and_other_letters_do() -> None:
    alone = replace(FACTS, booking=None)
    assert "$95.00" in as_text(letter(TemplateKey.PAYOUT, reader=TEACHER, facts=alone))
    with pytest.raises(ValueError, match="needs a booking"):
        letter(TemplateKey.REMINDER, facts=alone)


def test_a_second_language_is_a_file(tmp_path: Path) -> None:
    source = translations.renewed("de", None)
    catalogue = read_po(BytesIO(source), locale="de", domain=DOMAIN)
    german = {
        "The lesson is confirmed.": "Die Fahrstunde ist bestätigt.",
        "Hello %(name)s,": "Hallo %(name)s,",
        "%(day)s at %(time)s (%(zone)s)": "%(day)s um %(time)s (%(zone)s)",
        "When": "Wann",
    }
    for sentence, translated in german.items():
        message = catalogue.get(sentence)
        assert message is not None
        message.string = translated
    written = BytesIO()
    write_po(written, catalogue)
    target = tmp_path / "de" / "LC_MESSAGES" / f"{DOMAIN}.mo"
    target.parent.mkdir(parents=True)
    target.write_bytes(translations.compiled(written.getvalue(), "de"))

    made = letter(TemplateKey.BOOKING_CONFIRMED, locale="de_AT", catalogues=tmp_path)
    assert made.greeting == "Hallo Alex Student,"
    assert made.paragraphs == ("Die Fahrstunde ist bestätigt.",)
    assert dict(made.facts)["Wann"].startswith("Dienstag, 4. August 2026 um 10:00 (")
    assert made.language_tag == "de-AT"
    assert dict(made.facts)["Price"] in {"AU$ 95,00", "AU$\xa095,00"}  # not translated: English, in its style


def test_a_translation_that_loses_a_value_is_refused() -> None:
    catalogue = read_po(BytesIO(translations.renewed("de", None)), locale="de", domain=DOMAIN)
    message = catalogue.get("Hello %(name)s,")
    assert message is not None
    message.string = "Hallo %(nam)s,"
    written = BytesIO()
    write_po(written, catalogue)
    with pytest.raises(ValueError, match="does not fit"):
        translations.compiled(written.getvalue(), "de")


def test_the_template_of_catalogues_has_all_sentences() -> None:
    kept = read_po(BytesIO((CATALOGUES / f"{DOMAIN}.pot").read_bytes()))
    assert {message.id for message in kept} == {message.id for message in translations.collect()}, (
        "run scripts/translations.py"
    )
    assert (CATALOGUES / "en" / "LC_MESSAGES" / f"{DOMAIN}.mo").exists()
