"""Sends mail by SMTP: the only file that knows aiosmtplib.

`smtp://` upgrades to TLS where the server offers it, and insists on it before it shows a password to anybody
but this machine. `smtps://` is TLS from the first byte. Which answer means what (RFC 5321, section 4.2.1):

* not reached, no TLS, login refused, 4xx: `Deferred`;
* 5xx to sender, recipient or data: `Refused`;
* the connection lost, or no answer, once the message was on its way: `Unknown`.
"""

from contextlib import suppress
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPConnectError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from pydantic import SecretStr

from driveflow.integrations.message_senders import Answer, Deferred, Mail, Refused, Sent, Unknown, as_mime

TIMEOUT_S: Final = 20.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_FIRST_TRANSIENT: Final = 400
_FIRST_PERMANENT: Final = 500


class SmtpSender:
    """Sends by the server of an address such as smtp://user:password@host:587; one connection a mail."""

    def __init__(self, url: SecretStr, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url.get_secret_value())
        self._host = parts.hostname or "localhost"
        self._tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 587)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "") if parts.username else None
        self._timeout_s = timeout_s

    @property
    def place(self) -> str:
        """The server, without its password."""
        return f"{self._host}:{self._port}"

    async def send(self, mail: Mail) -> Answer:
        """Send one mail and say what became of it."""
        try:
            content = as_mime(mail).as_bytes()
        except ValueError as error:
            return Refused("malformed", _told(error))
        client = self._client()
        try:
            await client.connect()
        except (SMTPException, OSError, ValueError) as error:
            return Deferred(f"the mail server cannot be used: {_told(error)}")
        try:
            return await _hand_over(client, mail, content)
        finally:
            with suppress(SMTPException, OSError):
                await client.quit()
            client.close()

    async def check(self) -> None:
        """Connect, greet and log in; raises SMTPException, OSError or ValueError when that fails."""
        client = self._client()
        try:
            await client.connect()
            await client.noop()
            await client.quit()
        finally:
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        must_encrypt = self._user is not None and self._host not in _LOOPBACK
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            local_hostname="driveflow.localdomain" if self._host in _LOOPBACK else None,
            timeout=self._timeout_s,
            use_tls=self._tls,
            start_tls=False if self._tls else (True if must_encrypt else None),
        )


async def _hand_over(client: aiosmtplib.SMTP, mail: Mail, content: bytes) -> Answer:
    recipient, options = _recipient(mail.to)
    if options and not client.supports_extension("smtputf8"):
        return Refused("smtputf8", "the mail server takes no addresses beyond ASCII")
    try:
        await client.mail(mail.from_address, options=options, encoding="utf-8")
        await client.rcpt(recipient, encoding="utf-8")
    except SMTPResponseException as error:
        return _refusal(error)
    except (SMTPException, OSError) as error:
        return Deferred(f"the mail server went away: {_told(error)}")
    try:
        response = await client.data(content)
    except (SMTPServerDisconnected, SMTPTimeoutError, SMTPConnectError, OSError) as error:
        return Unknown(f"the connection was lost while the mail was handed over: {_told(error)}")
    except SMTPResponseException as error:
        return _refusal(error)
    return Sent(response.message.strip()[:200] or None)


def _refusal(error: SMTPResponseException) -> Answer:
    if _FIRST_TRANSIENT <= error.code < _FIRST_PERMANENT:
        return Deferred(_told(error))
    if error.code >= _FIRST_PERMANENT:
        return Refused(str(error.code), _told(error))
    return Unknown(_told(error))


def _recipient(address: str) -> tuple[str, list[str]]:
    """Return the address as it is written to the server, and the options that it needs there."""
    if address.isascii():
        return address, []
    local, _, domain = address.rpartition("@")
    domain = domain.encode("idna").decode()
    return f"{local}@{domain}", [] if local.isascii() else ["SMTPUTF8"]


def _told(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        text = f"{error.code} {error.message}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())[:300]
