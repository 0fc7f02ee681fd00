"""The worker: drains the outbox, runs the schedule."""
