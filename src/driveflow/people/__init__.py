"""The people of a school: instructors, students, guardians and who looks after whom.

Owns its tables; availability, bookings and others call its service and its SQL fragments.
"""
