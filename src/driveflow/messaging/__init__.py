"""Messages to people by e-mail, SMS and WhatsApp (seed step 9).

Owns `messages`, `mail_opt_outs` and `phone_contacts`. `announcing.py` writes messages when something happens,
`dispatching.py` sends them, `service.py` is for staff and callbacks, `opt_outs.py` for those who want none.
RULES: `triggers.py`, `channels.py`, `quiet_hours.py`, `delivery.py`, `wording.py`. Called by entrypoints;
reads the packages below by their services.
"""
