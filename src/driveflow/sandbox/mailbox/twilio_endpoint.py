"""A Twilio that keeps messages: the part of its API that DriveFlow uses, with signed status callbacks.

Behaves as https://www.twilio.com/docs/messaging/api/message-resource says: basic auth, form parameters, the
message resource as JSON, errors with Twilio's codes, callbacks signed as
https://www.twilio.com/docs/usage/security says. Twilio's test numbers are refused as Twilio refuses them:
+15005550001 (21211, no such number) and +15005550009 (21614, no mobile). STOP is obeyed as Twilio obeys it:
further messages get 21610.
"""

import asyncio
import base64
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha1
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from driveflow.sandbox.mailbox.store import KeptText, MailboxStore

API_VERSION: Final = "2010-04-01"
BODY_LIMIT: Final = 1600
_WHATSAPP: Final = "whatsapp:"
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_NO_SUCH_NUMBER: Final = "+15005550001"
_NO_MOBILE: Final = "+15005550009"
_STOP: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
_START: Final = frozenset({"START", "YES", "UNSTOP"})
_CALLBACK_TRIES: Final = 5
_CALLBACK_PAUSE_S: Final = 1.0
_STEP_S: Final = 0.2
_GSM_LENGTH: Final = 160


class TwilioEndpoint:
    """One account with its messages."""

    def __init__(
        self,
        store: MailboxStore,
        *,
        account_sid: str,
        auth_token: str,
        inbound_url: str,
        clock: Callable[[], datetime],
        step_s: float = _STEP_S,
    ) -> None:
        """Take what it needs; `step_s` lies between the statuses of a message."""
        self._store = store
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._inbound_url = inbound_url
        self._clock = clock
        self._step_s = step_s
        self._client = httpx.AsyncClient(timeout=10, trust_env=False)
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def routes(self) -> list[Route]:
        """The routes of Twilio's API."""
        account = f"/{API_VERSION}/Accounts/{{account_sid}}"
        return [
            Route(f"{account}/Messages.json", self.create_message, methods=["POST"]),
            Route(f"{account}/Messages/{{sid}}.json", self.fetch_message, methods=["GET"]),
            Route(f"{account}.json", self.fetch_account, methods=["GET"]),
        ]

    async def close(self) -> None:
        """Drop the callbacks that are still under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._client.aclose()

    async def create_message(self, request: Request) -> Response:
        """Keep a message and begin to report on it."""
        refusal = self._refuse_stranger(request)
        if refusal is not None:
            return refusal
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        refusal = self._refuse_message(form)
        if refusal is not None:
            return refusal
        number = form["To"]
        text = KeptText(
            sid=f"SM{secrets.token_hex(16)}",
            channel=_channel(number),
            number=number.removeprefix(_WHATSAPP),
            our_number=form["From"].removeprefix(_WHATSAPP),
            inbound=False,
            body=form.get("Body", ""),
            content_sid=form.get("ContentSid"),
            content_variables=form.get("ContentVariables"),
            status="queued",
            status_callback=form.get("StatusCallback"),
            received_at=self._clock(),
        )
        self._store.keep_text(text)
        self._begin(self._deliver(text))
        return JSONResponse(self._resource(text), 201)

    async def fetch_message(self, request: Request) -> Response:
        """Return a message."""
        refusal = self._refuse_stranger(request)
        if refusal is not None:
            return refusal
        text = self._store.text(request.path_params["sid"])
        if text is None:
            return _problem(404, 20404, "The requested resource was not found")
        return JSONResponse(self._resource(text))

    async def fetch_account(self, request: Request) -> Response:
        """Return the account."""
        refusal = self._refuse_stranger(request)
        if refusal is not None:
            return refusal
        now = format_datetime(self._clock())
        path = f"/{API_VERSION}/Accounts/{self._account_sid}"
        return JSONResponse(
            {
                "auth_token": None,
                "date_created": now,
                "date_updated": now,
                "friendly_name": "DriveFlow's sandbox",
                "owner_account_sid": self._account_sid,
                "sid": self._account_sid,
                "status": "active",
                "subresource_uris": {"messages": f"{path}/Messages.json"},
                "type": "Trial",
                "uri": f"{path}.json",
            }
        )

    async def receive(self, channel: str, number: str, our_number: str, body: str) -> int:
        """Keep a message from a number and tell DriveFlow; return the status of its answer."""
        word = body.strip().upper()
        if word in _STOP or word in _START:
            self._store.set_stopped(channel, number, stopped=word in _STOP)
        prefix = _WHATSAPP if channel == "whatsapp" else ""
        text = KeptText(
            sid=f"SM{secrets.token_hex(16)}",
            channel=channel,
            number=number,
            our_number=our_number,
            inbound=True,
            body=body,
            content_sid=None,
            content_variables=None,
            status="received",
            status_callback=None,
            received_at=self._clock(),
        )
        self._store.keep_text(text)
        return await self._post(
            self._inbound_url,
            {
                "MessageSid": text.sid,
                "AccountSid": self._account_sid,
                "From": f"{prefix}{number}",
                "To": f"{prefix}{our_number}",
                "Body": body,
                "NumMedia": "0",
                "ApiVersion": API_VERSION,
            },
        )

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, text: KeptText) -> None:
        for status in ("sent", "delivered"):
            await asyncio.sleep(self._step_s)
            self._store.set_status(text.sid, status)
            if text.status_callback:
                await self._report(text, status)

    async def _report(self, text: KeptText, status: str) -> None:
        prefix = _WHATSAPP if text.channel == "whatsapp" else ""
        form = {
            "MessageSid": text.sid,
            "SmsSid": text.sid,
            "MessageStatus": status,
            "SmsStatus": status,
            "AccountSid": self._account_sid,
            "To": f"{prefix}{text.number}",
            "From": f"{prefix}{text.our_number}",
            "ApiVersion": API_VERSION,
        }
        for _ in range(_CALLBACK_TRIES):
            try:
                await self._post(text.status_callback or "", form)
            except httpx.TransportError:
                await asyncio.sleep(_CALLBACK_PAUSE_S)
            else:
                return

    async def _post(self, url: str, form: Mapping[str, str]) -> int:
        headers = {"X-Twilio-Signature": signature(self._auth_token, url, form)}
        response = await self._client.post(url, data=dict(form), headers=headers)
        return response.status_code

    def _refuse_stranger(self, request: Request) -> Response | None:
        expected = base64.b64encode(f"{self._account_sid}:{self._auth_token}".encode()).decode()
        given = request.headers.get("authorization", "")
        mine = request.path_params["account_sid"] == self._account_sid
        if mine and hmac.compare_digest(given, f"Basic {expected}"):
            return None
        return _problem(401, 20003, "Authenticate")

    def _refuse_message(self, form: Mapping[str, str]) -> Response | None:
        number, sender = form.get("To", ""), form.get("From", "")
        bare = number.removeprefix(_WHATSAPP)
        body, variables = form.get("Body", ""), form.get("ContentVariables", "{}")
        mixed = number.startswith(_WHATSAPP) is not sender.startswith(_WHATSAPP)
        known = _NUMBER.fullmatch(bare) is not None and bare != _NO_SUCH_NUMBER
        problems = (
            (not number, 21604, "A 'To' phone number is required."),
            (not sender, 21603, "A 'From' phone number is required."),
            (not known, 21211, f"The 'To' number {number} is not a valid phone number."),
            (bare == _NO_MOBILE, 21614, f"'To' number {number} is not a valid mobile number"),
            (mixed, 21910, "Invalid From and To pair. From and To should be of the same channel"),
            (not body and not form.get("ContentSid"), 21602, "Message body is required."),
            (len(body) > BODY_LIMIT, 21617, f"The message body exceeds the {BODY_LIMIT} character limit."),
            (not _is_object(variables), 21656, "The ContentVariables Parameter is invalid"),
            (
                self._store.is_stopped(_channel(number), bare),
                21610,
                "Attempt to send to unsubscribed recipient",
            ),
        )
        found = next(((code, told) for is_so, code, told in problems if is_so), None)
        return _problem(400, *found) if found is not None else None

    def _resource(self, text: KeptText) -> dict[str, Any]:
        prefix = _WHATSAPP if text.channel == "whatsapp" else ""
        made = format_datetime(text.received_at)
        path = f"/{API_VERSION}/Accounts/{self._account_sid}/Messages/{text.sid}"
        return {
            "account_sid": self._account_sid,
            "api_version": API_VERSION,
            "body": text.body,
            "date_created": made,
            "date_sent": None if text.status == "queued" else made,
            "date_updated": made,
            "direction": "inbound" if text.inbound else "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": f"{prefix}{text.our_number}",
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": str(max(1, -(-len(text.body) // _GSM_LENGTH))),
            "price": None,
            "price_unit": "USD",
            "sid": text.sid,
            "status": text.status,
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": f"{prefix}{text.number}",
            "uri": f"{path}.json",
        }


def signature(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Return Twilio's signature of a request: HMAC-SHA1 of the address and the sorted form."""
    content = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), content.encode(), sha1).digest()).decode()


def _channel(number: str) -> str:
    return "whatsapp" if number.startswith(_WHATSAPP) else "sms"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _problem(status: int, code: int, message: str) -> Response:
    return JSONResponse(
        {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        },
        status,
    )
