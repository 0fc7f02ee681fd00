"""`driveflow` without its locks on instructor and student, to show that the races find what they look for.

The same command line, server, statements and connections; only the lock statements that travel with BEGIN
are left out. The other guard, the exclusion constraint, is dropped by the test in the database itself.
"""

from uuid import UUID

from driveflow.bookings import creation
from driveflow.bookings.creation import NewBooking
from driveflow.entrypoints.cli import main


def _no_locks(org_id: UUID, wanted: NewBooking) -> tuple[str, ...]:  # noqa: ARG001 - takes the real one's place
    return ()


if __name__ == "__main__":
    creation.locks_for = _no_locks
    main()
