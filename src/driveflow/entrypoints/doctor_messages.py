"""`driveflow doctor` on messages: tries mail server and Twilio by harmless calls; sends nothing."""

from urllib.parse import urlsplit

from driveflow.core.settings import Settings
from driveflow.entrypoints.doctor import Finding
from driveflow.integrations.smtp_sender import SmtpSender
from driveflow.integrations.twilio_client import TwilioClient, TwilioError
from driveflow.messaging.channels import MessageChannel
from driveflow.messaging.outlets import Outlets

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


async def examine_messages(settings: Settings) -> list[Finding]:
    """Return what is to say about links, mail, SMS and WhatsApp."""
    return [_links(settings), await examine_mail(settings), *await examine_twilio(settings)]


async def examine_mail(settings: Settings) -> Finding:
    """Connect to the mail server, greet it and log in."""
    if settings.smtp_url is None:
        return Finding("mail", "off: DRIVEFLOW_SMTP_URL is not set")
    sender = SmtpSender(settings.smtp_url)
    try:
        await sender.check()
    except Exception as error:  # noqa: BLE001 - whatever the server does is what the operator asks about
        told = " ".join(str(error).split()) or type(error).__name__
        return Finding("mail", f"{sender.place}: {told}", "Check DRIVEFLOW_SMTP_URL and the server.")
    return Finding("mail", f"{sender.place} answers; mail comes from {settings.mail_from}")


async def examine_twilio(settings: Settings) -> list[Finding]:
    """Fetch Twilio's account, and say which channels have a number to send from."""
    client = TwilioClient.of(settings)
    if client is None:
        return [Finding("Twilio", "off: DRIVEFLOW_TWILIO_ACCOUNT_SID and _AUTH_TOKEN are not both set")]
    try:
        status = await client.check()
    except TwilioError as error:
        return [Finding("Twilio", f"refuses or is not there ({error})", "Check the account and its token.")]
    active = Finding(
        "Twilio", f"account is {status}", "" if status == "active" else "Only an active account sends."
    )
    configured = Outlets.of(settings).configured
    return [
        active,
        *(
            Finding(
                label,
                "on" if channel in configured else f"off: DRIVEFLOW_TWILIO_{label.upper()}_FROM is not set",
            )
            for label, channel in (("SMS", MessageChannel.SMS), ("WhatsApp", MessageChannel.WHATSAPP))
        ),
    ]


def _links(settings: Settings) -> Finding:
    base = settings.public_base
    sends = bool(Outlets.of(settings).configured)
    if sends and urlsplit(base).hostname in _LOOPBACK:
        return Finding(
            "links",
            f"begin with {base}",
            "Readers cannot open that: set DRIVEFLOW_PUBLIC_URL to the real address.",
        )
    return Finding("links", f"begin with {base}")
