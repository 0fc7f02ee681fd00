"""Bookings: a student, an instructor, a service and a time, with its price snapshot (seed step 6).

RULE files: `lifecycle.py` (statuses and moves) and `cancellation.py` (fees). Emits outbox events; never
learns about payments or messages, which act on those events.
"""
