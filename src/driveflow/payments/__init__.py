"""Payments, refunds and the ledger: what customers paid, and where each cent went (seed step 8).

The tables stand here from the first migration on, so that every other table can refer to them.
"""
