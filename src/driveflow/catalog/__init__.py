"""What a school sells and for how much: services, rate cards and their items.

`pricing.py` is the RULE: which card applies, what a booking costs, and how the price is split.
"""
