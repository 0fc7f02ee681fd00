"""The sums of everything a sandbox keeps, for those who compare them with their own books."""

from typing import Any

from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.store import PLATFORM


def totals(call: Call) -> dict[str, Any]:
    """Return balances and sums by account, and how many objects of each kind there are.

    `sums` are of amounts before fees, by the type of movement; `fees` are all fees. In each account and
    currency the sums less the fees are the balance, available and pending together.
    """
    connection = call.store.connection
    accounts: dict[str, Any] = {}
    rows = connection.execute(
        "SELECT account, json_extract(body, '$.currency'), json_extract(body, '$.type'),"
        " sum(json_extract(body, '$.amount')), sum(json_extract(body, '$.fee')),"
        " sum(json_extract(body, '$.net') * (json_extract(body, '$.available_on') <= ?)),"
        " sum(json_extract(body, '$.net'))"
        " FROM objects WHERE kind = 'balance_transaction' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        (call.now,),
    )
    for account, currency, kind, amount, fees, available, net in rows:
        name = "platform" if account == PLATFORM else account
        entry = accounts.setdefault(name, {}).setdefault(
            currency, {"available": 0, "pending": 0, "balance": 0, "fees": 0, "sums": {}}
        )
        entry["available"] += available
        entry["pending"] += net - available
        entry["balance"] += net
        entry["fees"] += fees
        entry["sums"][kind] = amount
    counts = dict(connection.execute("SELECT kind, count(*) FROM objects GROUP BY kind ORDER BY kind"))
    waiting = connection.execute("SELECT count(*) FROM deliveries WHERE outcome IS NULL").fetchone()[0]
    return {"accounts": accounts, "counts": counts, "deliveries_waiting": waiting, "now": call.now}
