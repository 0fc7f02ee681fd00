"""GPS trips of a lesson: their points, how far they went, and their export.

Owns the tables `trips` and `trip_points`. Rules are in `track.py`, file formats in `formats.py`, the protocol
of phone trackers in `osmand.py`. Called by entrypoints; calls `lessons` and what lies below it.
"""
