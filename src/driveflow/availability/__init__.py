"""When instructors work: weekly windows and exceptions of single days.

`slots.py` is the RULE: windows, minus exceptions, minus what is busy, give free starts.
Bookings asks this package; this package never asks bookings.
"""
