"""What the demo school sells: four services on two rate cards that follow each other.

The cards change at the next 1 January or 1 July, so that a lively demo has prices that rise soon. Together
they cover every day from half a year back on.
"""

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from driveflow.catalog.pricing import RateCardFacts
from driveflow.sandbox.demo_calendar import DemoService
from driveflow.sandbox.demo_people import demo_id

CURRENCY: Final = "AUD"

# Name, description, minutes, how often it is booked, cents on the card of today and on the next one.
_SERVICES: Final = (
    ("45-min Lesson", "A short lesson for a first try or a refresher.", 45, 2, (7_200, 7_500)),
    ("60-min Lesson", "The usual lesson, from and to your door.", 60, 6, (9_200, 9_600)),
    ("90-min Lesson", "Time for motorway, city or night driving.", 90, 3, (13_200, 13_800)),
    ("Test Package", "Warm-up lesson and the car for the driving test.", 120, 1, (24_500, 25_500)),
)

DEMO_SERVICES: Final = tuple(
    DemoService(demo_id("service", name), name, description, duration_min, weight)
    for name, description, duration_min, weight, _ in _SERVICES
)


def demo_cards(today: date) -> tuple[RateCardFacts, RateCardFacts]:
    """Return the default card of today and the one that follows it, open-ended."""
    change = date(today.year, 7, 1) if today < date(today.year, 7, 1) else date(today.year + 1, 1, 1)
    # A year before the change lies at least half a year back, well before the first booking.
    since = change.replace(year=change.year - 1)
    current = _card(since, change - timedelta(days=1), "current")
    return current, _card(change, None, "next")


def demo_prices(cards: tuple[RateCardFacts, RateCardFacts]) -> dict[tuple[UUID, UUID], int]:
    """Return the cents of each card's id and service's id."""
    return {
        (card.id, service.id): prices[number]
        for number, card in enumerate(cards)
        for service, (*_, prices) in zip(DEMO_SERVICES, _SERVICES, strict=True)
    }


def _card(valid_from: date, valid_to: date | None, which: str) -> RateCardFacts:
    return RateCardFacts(
        id=demo_id("rate card", which),
        name=f"Prices from {valid_from:%B %Y}",
        currency=CURRENCY,
        is_default=True,
        valid_from=valid_from,
        valid_to=valid_to,
    )
