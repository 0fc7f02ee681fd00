"""A mail server and a Twilio that keep what they get instead of passing it on, with pages to read it.

`server.py:mailbox_sandbox` runs all of it on loopback ports. DriveFlow reaches it by settings alone; the code
that sends is the one that speaks to real servers.
"""
