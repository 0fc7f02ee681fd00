"""Outbound messages by e-mail, SMS and WhatsApp, one row an attempt (seed step 9)."""
