"""Sends SMS and WhatsApp messages by Twilio and checks its signatures: the only file that knows its library.

Twilio has no idempotency key for messages. So a call without a clear answer (timeout, 5xx, a broken
connection) is `Unknown`, and the status callback tells what became of it. `Deferred` is only what certainly
did not get in: no connection, or 429. Every other 4xx is `Refused` with Twilio's code
(https://www.twilio.com/docs/api/errors); 21610 means that the number has said STOP.
"""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

from pydantic import SecretStr

from driveflow.core.settings import Settings
from driveflow.integrations.message_senders import (
    OPTED_OUT_CODE,
    Answer,
    Deferred,
    Refused,
    Sent,
    TextMessage,
    Unknown,
)

if TYPE_CHECKING:
    from twilio.base.exceptions import TwilioRestException, TwilioServiceException
    from twilio.http.async_http_client import AsyncTwilioHttpClient
    from twilio.rest import Client

# The library takes a second to import, most of it for parts of Twilio that nobody here uses: it is imported
# when the first message is sent.
# ruff: noqa: PLC0415

TIMEOUT_S: Final = 20.0
_WHATSAPP: Final = "whatsapp:"
# What the library turns non-JSON answers into.
_UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError)


class TwilioClient:
    """Speaks to Twilio as one account."""

    def __init__(
        self,
        account_sid: str,
        auth_token: SecretStr,
        *,
        sms_from: str | None,
        whatsapp_from: str | None,
        api_base: str,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._sms_from = sms_from
        self._whatsapp_from = whatsapp_from
        self._api_base = api_base
        self._timeout_s = timeout_s

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Return the client of the settings, None where Twilio is not configured."""
        if settings.twilio_account_sid is None or settings.twilio_auth_token is None:
            return None
        return cls(
            settings.twilio_account_sid,
            settings.twilio_auth_token,
            sms_from=settings.twilio_sms_from,
            whatsapp_from=settings.twilio_whatsapp_from,
            api_base=settings.twilio_api_base,
        )

    async def send(self, message: TextMessage) -> Answer:
        """Hand one message over and say what became of it."""
        sender = self._whatsapp_from if message.whatsapp else self._sms_from
        if sender is None:
            return Refused("not_configured", "no number to send from is configured")
        prefix = _WHATSAPP if message.whatsapp else ""
        what: dict[str, str] = (
            {
                "content_sid": message.content_sid,
                "content_variables": json.dumps(dict(message.content_variables), ensure_ascii=False),
            }
            if message.content_sid is not None
            else {"body": message.body}
        )
        import aiohttp
        from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
        from twilio.http.async_http_client import AsyncTwilioHttpClient

        try:
            async with asyncio.timeout(self._timeout_s), AsyncTwilioHttpClient() as http:
                created = await self._rest(http).messages.create_async(
                    to=f"{prefix}{message.to}",
                    from_=f"{prefix}{sender}",
                    status_callback=message.status_callback,
                    **what,
                )
                return Sent(str(created.sid))
        except (TwilioRestException, TwilioServiceException) as error:
            return _refusal(error)
        except aiohttp.ClientConnectorError as error:
            return Deferred(f"Twilio cannot be reached: {_line(error)}")
        except (TwilioException, aiohttp.ClientError, TimeoutError, OSError, *_UNREADABLE) as error:
            return Unknown(f"no clear answer from Twilio: {_line(error)}")

    async def check(self) -> str:
        """Fetch the account and return its status; sends nothing.

        Raises TwilioError when Twilio refuses or cannot be reached.
        """
        import aiohttp
        from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
        from twilio.http.async_http_client import AsyncTwilioHttpClient

        try:
            async with asyncio.timeout(self._timeout_s), AsyncTwilioHttpClient() as http:
                account = await self._rest(http).api.v2010.accounts(self._account_sid).fetch_async()
                return str(account.status)
        except (TwilioRestException, TwilioServiceException) as error:
            raise TwilioError(f"{error.status}, code {error.code}") from error
        except (TwilioException, aiohttp.ClientError, TimeoutError, OSError, *_UNREADABLE) as error:
            raise TwilioError(_line(error)) from error

    def _rest(self, http: "AsyncTwilioHttpClient") -> "Client":
        from twilio.rest import Client

        client = Client(self._account_sid, self._auth_token.get_secret_value(), http_client=http)
        client.api.base_url = self._api_base
        return client


class TwilioError(Exception):
    """Twilio refused or could not be reached; the message says why."""


def is_genuine(auth_token: SecretStr, url: str, form: Mapping[str, str], signature: str) -> bool:
    """Return whether Twilio signed this request to `url`, the address as Twilio was told it."""
    from twilio.request_validator import RequestValidator

    validator = RequestValidator(auth_token.get_secret_value())
    return bool(validator.validate(url, dict(form), signature))


def _refusal(error: "TwilioRestException | TwilioServiceException") -> Answer:
    told = f"{error.status} {getattr(error, 'msg', None) or getattr(error, 'title', '')}"
    text = " ".join(told.split())[:300]
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Deferred(text)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unknown(text)
    return Refused(str(error.code or error.status), text, opted_out=error.code == OPTED_OUT_CODE)


def _line(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:300]
