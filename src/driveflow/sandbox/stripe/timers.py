"""What the sandbox does by itself later: sessions expire, refunds and slow payments get their outcome.

A timer is kept with the change that sets it and runs inside a transaction of its own, before the first
request after its time or when the background task notices it.
"""

from collections.abc import Callable, Mapping

from driveflow.sandbox.stripe.call import Call

Action = Callable[[Call, str], None]
"""Takes the call and the id of the object that the timer was set for."""


def set_timer(call: Call, name: str, object_id: str, due: int) -> None:
    """Have an action done to an object at a time."""
    call.store.connection.execute(
        "INSERT INTO timers (due, name, object_id) VALUES (?, ?, ?)", (due, name, object_id)
    )


def any_due(call: Call) -> bool:
    """Return whether anything's time has come."""
    row = call.store.connection.execute("SELECT 1 FROM timers WHERE due <= ? LIMIT 1", (call.now,))
    return row.fetchone() is not None


def run_due(call: Call, actions: Mapping[str, Action]) -> None:
    """Do everything whose time has come, in order."""
    while True:
        row = call.store.connection.execute(
            "SELECT id, name, object_id FROM timers WHERE due <= ? ORDER BY due, id LIMIT 1", (call.now,)
        ).fetchone()
        if row is None:
            return
        call.store.connection.execute("DELETE FROM timers WHERE id = ?", (row[0],))
        actions[row[1]](call, row[2])


def run_now(call: Call, actions: Mapping[str, Action], object_id: str) -> bool:
    """Do what waits for an object at once; say whether anything did."""
    rows = call.store.connection.execute(
        "SELECT id, name FROM timers WHERE object_id = ? ORDER BY id", (object_id,)
    ).fetchall()
    for timer_id, name in rows:
        call.store.connection.execute("DELETE FROM timers WHERE id = ?", (timer_id,))
        actions[name](call, object_id)
    return bool(rows)
