"""What a booking reads of the catalog, as SQL for the statements of `bookings/sql.py`.

The default cards come all, with their days: which of them applies is decided by `pricing.py` alone.
"""

from datetime import date
from functools import lru_cache
from uuid import UUID

import msgspec

from driveflow.catalog.pricing import RateCardFacts

DEFAULT_CARDS = """
SELECT json_agg(json_build_array(c.id, c.name, c.currency, c.valid_from, c.valid_to, p.price_cents))::text
FROM rate_cards c
LEFT JOIN rate_card_items p ON p.org_id = c.org_id AND p.rate_card_id = c.id AND p.service_id = {service}
WHERE c.org_id = {org} AND c.is_default
"""

NAMES = """
SELECT json_object_agg(id, name)::text FROM services WHERE org_id = $1 AND id IN ({ids})
"""
"""Names of services of school $1 by their ids, in JSON."""


class _CardRow(msgspec.Struct, array_like=True):
    id: UUID
    name: str
    currency: str
    valid_from: date | None
    valid_to: date | None
    price_cents: int | None


# A school's cards change a few times a year and are read at every booking.
@lru_cache(maxsize=4096)
def parse_cards(cards: str | None) -> tuple[tuple[RateCardFacts, int | None], ...]:
    """Return the default cards of DEFAULT_CARDS, each with its price of the service or None."""
    if cards is None:
        return ()
    return tuple(
        (
            RateCardFacts(
                id=row.id,
                name=row.name,
                currency=row.currency,
                is_default=True,
                valid_from=row.valid_from,
                valid_to=row.valid_to,
            ),
            row.price_cents,
        )
        for row in msgspec.json.decode(cards, type=list[_CardRow])
    )
