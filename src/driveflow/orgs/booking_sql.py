"""What a booking reads of its school, as SQL for the one statement that reads everything.

Composed in `bookings/sql.py`; the alias `o` is the school's row.
"""

from uuid import UUID

import asyncpg

COLUMNS = """
o.time_zone, o.fee_bps, o.cancellation_tiers::text AS cancellation_tiers, o.hold_minutes, o.buffer_minutes,
o.min_notice_minutes, o.horizon_days, o.slot_step_minutes
"""


async def time_zone_of(connection: asyncpg.Connection, org_id: UUID) -> str:
    """Return the IANA name of a school's time zone."""
    name: str = await connection.fetchval("SELECT time_zone FROM orgs WHERE id = $1", org_id)
    return name
