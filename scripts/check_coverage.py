"""Fails when the tests reach less than promised: 95 % of lines, every branch of the RULE files.

Reads the data that `pytest --cov` has just written.
"""

import io
import sys

from coverage import Coverage
from coverage.exceptions import NoDataError

LINES_PERCENT = 95.0
RULES = (
    "*/availability/slots.py",
    "*/bookings/cancellation.py",
    "*/bookings/lifecycle.py",
    "*/calendars/entries.py",
    "*/catalog/pricing.py",
    "*/core/actor.py",
    "*/core/money.py",
    "*/payments/lifecycle.py",
    "*/payments/paying.py",
    "*/payments/refunding.py",
    "*/payouts/accounts.py",
    "*/payouts/earnings.py",
    "*/payouts/lifecycle.py",
    "*/payouts/reconciling.py",
    "*/messaging/channels.py",
    "*/messaging/delivery.py",
    "*/messaging/quiet_hours.py",
    "*/messaging/triggers.py",
    "*/messaging/wording.py",
    "*/invoices/taxation.py",
    "*/trips/track.py",
)


def main() -> int:
    """Return 0 when both promises are kept."""
    measured = Coverage()
    try:
        measured.load()
        table = io.StringIO()
        total = measured.report(file=table)
        rules_table = io.StringIO()
        rules = measured.report(include=list(RULES), file=rules_table, skip_covered=True)
    except NoDataError:
        print("There is no coverage data; run `make check`.")  # noqa: T201 - the output of this script
        return 1
    if total < LINES_PERCENT:
        print(table.getvalue())  # noqa: T201 - as above
    if rules < 100.0:  # noqa: PLR2004 - all of them
        print(rules_table.getvalue())  # noqa: T201 - as above
    print(f"Coverage: {total:.1f} % (at least {LINES_PERCENT}), rules {rules:.1f} % (at least 100).")  # noqa: T201 - as above
    return 0 if total >= LINES_PERCENT and rules >= 100.0 else 1  # noqa: PLR2004 - all of them


if __name__ == "__main__":
    sys.exit(main())
