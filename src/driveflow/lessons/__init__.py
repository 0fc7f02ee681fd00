"""Lessons: the executed part of a booking, made when the lesson starts (seed step 6).

Owns the table `lessons`. Starting, reading and rating are here; a lesson ends together with its trips, so
`trips/service.py` ends it. Called by `trips` and entrypoints; calls `bookings`.
"""
