"""Lessons: the executed part of a booking, made when the lesson starts (seed step 6)."""
