"""Mechanisms that every package uses: settings, database, ids, clock, money, actors, audit, outbox.

Holds no business rule. Anyone may import it; it imports nothing of DriveFlow.
"""
