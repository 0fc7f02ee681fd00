"""Invoices and credit notes: the papers of each payment and refund, numbered without gaps.

Owns the tables `invoices` (append-only: what was issued stays as it was printed) and `invoice_numbers`,
the rule of what such a paper must say (`taxation.py`), and its rendering as PDF (`document.py`). Papers
are issued by the worker when a payment or refund has succeeded; the routes only read them.
"""
