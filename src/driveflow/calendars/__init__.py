"""Calendar feeds: addresses that a phone's calendar subscribes to, each with a secret in it.

Owns the table `calendar_feeds`, the rule of what a feed shows (`entries.py`), the tokens, and the files.
A feed is read without an API key: the token in its address is the right to read it, and can be revoked.
"""
