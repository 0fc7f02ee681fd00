"""Payouts: transfers to instructors and their reversals (seed step 8)."""
