"""A letter: what a message says, whatever its channel, and the writer that puts one together."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from driveflow.core.ical import booking_event_ics, method_of
from driveflow.messaging.facts import BookingTold, Facts
from driveflow.messaging.language import Language
from driveflow.messaging.triggers import Person, RecipientKind
from driveflow.messaging.wording import clean, fit

SHORT_NAME: Final = 30
"""Letters of a name in a text message."""
_NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message's content, whatever its channel; kept with the message as JSON.

    `variables` are those of WhatsApp's content templates, in their order: school, student, service, time,
    instructor, amount, link. `calendar` is the file that goes along by mail.
    """

    subject: str
    greeting: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    link_text: str
    link: str
    closing: str
    short: str
    language_tag: str
    variables: tuple[str, ...] = ()
    calendar: str | None = None
    calendar_method: str | None = None
    unsubscribe_text: str | None = None
    unsubscribe_url: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the letter as it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the letter that was stored."""
        values = dict(stored)
        values["paragraphs"] = tuple(values["paragraphs"])
        values["facts"] = tuple((label, value) for label, value in values["facts"])
        values["variables"] = tuple(values["variables"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Writer:
    """Everything that the functions below look at."""

    facts: Facts
    reader: Person
    language: Language
    public_url: str
    organizer_email: str

    @property
    def booking(self) -> BookingTold:
        """The booking that the letter is about; every letter but some payouts has one."""
        if self.facts.booking is None:
            raise ValueError("this letter needs a booking")
        return self.facts.booking

    def say(self, sentence: str, **values: str) -> str:
        """Return a sentence in the reader's language."""
        return self.language.say(sentence, **values)

    def when(self) -> str:
        """Return when the lesson begins, with the zone."""
        return self.language.moment(self.booking.start_at, self.booking.time_zone)

    def short_when(self) -> str:
        """Return when the lesson begins, in few letters."""
        return self.language.short_moment(self.booking.start_at, self.booking.time_zone)

    def short_values(self) -> dict[str, str]:
        """Return the values that short texts are made of, each of a bounded length."""
        return {
            "school": clean(self.facts.school.name, SHORT_NAME),
            "service": clean(self.booking.service, SHORT_NAME),
            "instructor": clean(self.booking.instructor, SHORT_NAME),
            "student": clean(self.booking.student, SHORT_NAME),
            "when": self.short_when(),
        }

    def lesson_facts(self) -> list[tuple[str, str]]:
        """Return what a lesson is: when, what, who, where, and for those who pay its price."""
        booking = self.booking
        facts = [
            (self.say("When"), self.when()),
            (self.say("Lesson"), booking.service),
            (self.say("Student"), booking.student),
            (self.say("Instructor"), booking.instructor),
            (self.say("Pick-up"), booking.pickup),
        ]
        if self.reader.kind is not RecipientKind.INSTRUCTOR:
            facts.append((self.say("Price"), self.language.money(booking.price_cents, booking.currency)))
        return [(label, value) for label, value in facts if value]

    def home(self) -> tuple[str, str]:
        """Return the text and the address of the link to the reader's own page."""
        if self.reader.kind is RecipientKind.INSTRUCTOR:
            return self.say("Open my week"), f"{self.public_url}/i/week"
        if self.reader.kind is RecipientKind.SCHOOL:
            path = f"/o/{self.facts.school.id}/bookings/{self.booking.id}"
            return self.say("Open the booking"), f"{self.public_url}{path}"
        return self.say("See my lessons"), f"{self.public_url}/me"

    def letter(
        self,
        subject: str,
        paragraphs: list[str],
        facts: list[tuple[str, str]],
        short: str,
        *,
        link: tuple[str, str] | None = None,
        amount: str = "",
    ) -> Letter:
        """Put a letter together, with the greeting and closing that all have."""
        link_text, url = link or self.home()
        school, booking = self.facts.school, self.facts.booking
        variables = (
            school.name,
            booking.student if booking else "",
            booking.service if booking else "",
            self.short_when() if booking else "",
            booking.instructor if booking else "",
            amount,
            url,
        )
        return Letter(
            subject=subject,
            greeting=self.say("Hello %(name)s,", name=self.reader.name),
            paragraphs=tuple(paragraphs),
            facts=tuple(facts),
            link_text=link_text,
            link=url,
            closing="\n".join(line for line in (school.name, school.address, school.phone) if line),
            short=fit(short),
            language_tag=self.language.tag,
            # Twilio refuses empty ones.
            variables=tuple(value or _NOTHING for value in variables),
        )

    def with_calendar(self, letter: Letter, *, cancelled: bool = False) -> Letter:
        """Return the letter with the lesson's calendar file."""
        booking, school = self.booking, self.facts.school
        values = {"service": booking.service, "student": booking.student, "instructor": booking.instructor}
        summary = (
            self.say("%(service)s: %(student)s", **values)
            if self.reader.kind is RecipientKind.INSTRUCTOR
            else self.say("%(service)s with %(instructor)s", **values)
        )
        file = booking_event_ics(
            booking_id=booking.id,
            sequence=booking.version - 1,
            start_at=booking.start_at,
            end_at=booking.end_at,
            time_zone=booking.time_zone,
            summary=summary,
            description=letter.link,
            location=booking.pickup,
            organizer_name=school.name,
            organizer_email=self.organizer_email,
            cancelled=cancelled,
            now=self.facts.now,
        )
        method = method_of(cancelled=cancelled)
        return replace(letter, calendar=file.decode(), calendar_method=method.value)


def with_unsubscribe(letter: Letter, language: Language, url: str) -> Letter:
    """Return the letter with its way out."""
    text = language.say("No more reminders and summaries")
    return replace(letter, unsubscribe_text=text, unsubscribe_url=url)
