"""What `driveflow demo` runs instead of the outside world.

A stand-in for each service that a real school would sign up for, and made-up data that looks alive.
May use any domain package; is never imported by one.
"""
