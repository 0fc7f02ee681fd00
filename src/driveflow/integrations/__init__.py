"""The outside world: each third-party service or program is reached through this package and nowhere else.

Domain packages call its modules; the modules know nothing of schools, bookings or money, and import only
`driveflow.core`. The embedded PostgreSQL server has one public module, `embedded_postgres`; the other
`embedded_postgres_*` modules are its parts.
"""
