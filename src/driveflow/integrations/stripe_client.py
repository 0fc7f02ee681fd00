"""Stripe through its official library; the only file that imports it.

Every call is one of three: `send` changes something, once per idempotency key; `fetch` and the lists read.
What Stripe says becomes one of the values and errors of `stripe_calls.py`:

* an answer, or a refusal that will stay one: StripeAnswer;
* nothing was done, but may be later (429, 409, a refused key): StripeFaultError;
* nobody knows (no answer, 5xx): UnknownOutcomeError.

The library's own defaults, no retry and 80 s, are set to 2 retries and 10 s: three tries and the pauses
between them stay below `core.outside.CALL_TIMEOUT_S`. Stripe's version is the library's own.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import stripe

from driveflow.core.settings import Settings
from driveflow.integrations.stripe_calls import (
    BadSignatureError,
    MissingObjectError,
    StripeAnswer,
    StripeFaultError,
    StripeKind,
    StripeOperation,
    StripeRefusal,
    UnknownOutcomeError,
)

API_VERSION: Final = stripe.api_version
TIMEOUT_S: Final = 10.0
NETWORK_RETRIES: Final = 2
SIGNATURE_TOLERANCE: Final = timedelta(seconds=300)
"""How old, or how far ahead, a signature may be (Stripe's documentation, "Verify webhook signatures")."""

_PAGE: Final = 100
_EXPAND: Final[Mapping[StripeKind, list[str]]] = MappingProxyType(
    {
        StripeKind.PAYMENT_INTENT: ["latest_charge.balance_transaction"],
        StripeKind.CHECKOUT_SESSION: ["payment_intent.latest_charge.balance_transaction"],
        StripeKind.CHARGE: ["balance_transaction"],
    }
)

# The library's measurements of other requests are nobody's business.
stripe.enable_telemetry = False

_Call = Callable[..., Awaitable[stripe.StripeObject]]


class StripeGateway:
    """One secret key's view of Stripe; close it with `close`."""

    def __init__(self, secret_key: str, *, api_base: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._http = stripe.HTTPXClient(timeout=timeout_s)
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base} if api_base else {},
            max_network_retries=NETWORK_RETRIES,
            http_client=self._http,
        )
        v1 = self._client.v1
        self._creations: Mapping[StripeOperation, _Call] = {
            StripeOperation.CREATE_CHECKOUT_SESSION: v1.checkout.sessions.create_async,
            StripeOperation.CREATE_PAYMENT_INTENT: v1.payment_intents.create_async,
            StripeOperation.CREATE_REFUND: v1.refunds.create_async,
            StripeOperation.CREATE_ACCOUNT: v1.accounts.create_async,
            StripeOperation.CREATE_TRANSFER: v1.transfers.create_async,
        }
        self._changes: Mapping[StripeOperation, _Call] = {
            StripeOperation.EXPIRE_CHECKOUT_SESSION: v1.checkout.sessions.expire_async,
            StripeOperation.CANCEL_PAYMENT_INTENT: v1.payment_intents.cancel_async,
            StripeOperation.REVERSE_TRANSFER: v1.transfers.reversals.create_async,
        }
        self._readers: Mapping[StripeKind, _Call] = {
            StripeKind.PAYMENT_INTENT: v1.payment_intents.retrieve_async,
            StripeKind.CHECKOUT_SESSION: v1.checkout.sessions.retrieve_async,
            StripeKind.CHARGE: v1.charges.retrieve_async,
            StripeKind.REFUND: v1.refunds.retrieve_async,
            StripeKind.DISPUTE: v1.disputes.retrieve_async,
            StripeKind.ACCOUNT: v1.accounts.retrieve_async,
            StripeKind.TRANSFER: v1.transfers.retrieve_async,
        }

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the library gives it no types

    async def send(
        self,
        operation: StripeOperation,
        parameters: Mapping[str, Any],
        *,
        idempotency_key: str,
        target_id: str | None = None,
    ) -> StripeAnswer:
        """Make a call that changes something; `target_id` is the object that an operation is about.

        Raises StripeFaultError and UnknownOutcomeError.
        """
        options = {"idempotency_key": idempotency_key}
        try:
            if target_id is None:
                made = await self._creations[operation](dict(parameters), options)
            else:
                made = await self._changes[operation](target_id, dict(parameters), options)
        except stripe.IdempotencyError as error:
            raise StripeFaultError(_told(error)) from error
        except (stripe.InvalidRequestError, stripe.CardError, stripe.PermissionError) as error:
            return StripeAnswer(None, StripeRefusal(error.code, _told(error)))
        except stripe.StripeError as error:
            raise _unanswered(error) from error
        return StripeAnswer(_plain(made))

    async def fetch(self, kind: StripeKind, stripe_id: str, *, account: str | None = None) -> dict[str, Any]:
        """Return an object's present state; `account` is the connected account that it belongs to.

        A PaymentIntent comes with its latest charge and that one's balance transaction, a Checkout Session
        with its PaymentIntent in that form. Raises MissingObjectError, StripeFaultError, UnknownOutcomeError.
        """
        parameters = {"expand": _EXPAND[kind]} if kind in _EXPAND else {}
        options = {"stripe_account": account} if account else {}
        return await self._read(self._readers[kind], stripe_id, parameters, options)

    async def find(
        self,
        operation: StripeOperation,
        parameters: Mapping[str, Any],
        *,
        target_id: str | None,
        request_id: str,
        since: datetime,
    ) -> dict[str, Any] | None:
        """Return what an earlier try of a creating call has made, known by `request_id` in its metadata.

        For calls whose idempotency key is too old to be used again; `since` is a little before the first try.
        """
        v1 = self._client.v1
        recent: dict[str, Any] = {"created": {"gte": int(since.timestamp())}, "limit": _PAGE}
        if operation is StripeOperation.CREATE_CHECKOUT_SESSION:
            made = self._all(v1.checkout.sessions.list_async, recent)
        elif operation is StripeOperation.CREATE_PAYMENT_INTENT:
            made = self._all(v1.payment_intents.list_async, recent)
        elif operation is StripeOperation.CREATE_REFUND:
            of_intent = {"payment_intent": parameters["payment_intent"], "limit": _PAGE}
            made = self._all(v1.refunds.list_async, of_intent)
        elif operation is StripeOperation.CREATE_ACCOUNT:
            made = self._all(v1.accounts.list_async, recent)
        elif operation is StripeOperation.CREATE_TRANSFER:
            of_group = {"transfer_group": parameters["transfer_group"], "limit": _PAGE}
            made = self._all(v1.transfers.list_async, of_group)
        else:
            made = self._all(v1.transfers.reversals.list_async, target_id, {"limit": _PAGE})
        async for found in made:
            if (found.get("metadata") or {}).get("request_id") == request_id:
                return found
        return None

    def events_since(
        self, since: datetime, types: Sequence[str], *, account: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Return the events of these types (20 at most) since then, newest first; Stripe keeps 30 days."""
        parameters = {"created": {"gte": int(since.timestamp())}, "types": list(types), "limit": _PAGE}
        options = {"stripe_account": account} if account else {}
        return self._all(self._client.v1.events.list_async, parameters, options)

    def balance_transactions(self, since: datetime | None = None) -> AsyncIterator[dict[str, Any]]:
        """Return the moves of the platform's balance since then, or all, newest first, with their source."""
        parameters: dict[str, Any] = {"limit": _PAGE, "expand": ["data.source"]}
        if since is not None:
            parameters["created"] = {"gte": int(since.timestamp())}
        return self._all(self._client.v1.balance_transactions.list_async, parameters)

    async def account_link(self, account: str, *, refresh_url: str, return_url: str) -> dict[str, Any]:
        """Return a fresh link to a connected account's onboarding; it works once and for minutes."""
        parameters = {
            "account": account,
            "refresh_url": refresh_url,
            "return_url": return_url,
            "type": "account_onboarding",
        }
        return await self._read(self._client.v1.account_links.create_async, parameters)

    async def balance(self) -> dict[str, Any]:
        """Return the platform's balance; `livemode` in it says which world the key belongs to."""
        return await self._read(self._client.v1.balance.retrieve_async)

    async def _read(self, call: _Call, *arguments: Any) -> dict[str, Any]:
        try:
            return _plain(await call(*arguments))
        except stripe.InvalidRequestError as error:
            raise MissingObjectError(_told(error)) from error
        except stripe.StripeError as error:
            raise _unanswered(error) from error

    async def _all(
        self, call: Callable[..., Awaitable[Any]], *arguments: Any
    ) -> AsyncIterator[dict[str, Any]]:
        try:
            async for found in (await call(*arguments)).auto_paging_iter():
                yield _plain(found)
        except stripe.StripeError as error:
            raise _unanswered(error) from error


def gateway_of(settings: Settings) -> StripeGateway | None:
    """Return the gateway that the settings describe, None where there is no secret key."""
    if settings.stripe_secret_key is None:
        return None
    return StripeGateway(settings.stripe_secret_key.get_secret_value(), api_base=settings.stripe_api_base)


def verify_signature(body: bytes, header: str | None, secrets: Sequence[str], *, now: datetime) -> None:
    """Raise BadSignatureError unless one of the secrets signed the body within SIGNATURE_TOLERANCE of now.

    Two secrets are valid while one replaces the other. The library checks the age by its own clock and lets
    stamps of the future pass; so the age is checked here, in both directions.
    """
    error: Exception | None = None
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
        except UnicodeDecodeError as bad:
            raise BadSignatureError("The body is not UTF-8.") from bad
        except (stripe.SignatureVerificationError, ValueError) as refused:
            error = refused
        else:
            break
    else:
        raise BadSignatureError("No valid signature of this body.") from error
    age = abs(now.timestamp() - _signed_at(header or ""))
    if age > SIGNATURE_TOLERANCE.total_seconds():
        raise BadSignatureError("The signature is too old, or of the future.")


def _signed_at(header: str) -> int:
    return next(int(part[2:]) for part in header.split(",") if part.startswith("t="))


def _plain(found: stripe.StripeObject) -> dict[str, Any]:
    return found.to_dict(for_json=True)


def _told(error: stripe.StripeError) -> str:
    # One line: the library wraps its own sentences.
    return " ".join((error.user_message or "Stripe gave no reason.").split())


def _unanswered(error: stripe.StripeError) -> Exception:
    """Return what an error other than a refusal means."""
    status = error.http_status
    if status is None or status >= 500:  # noqa: PLR2004 - Stripe's own errors
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        return UnknownOutcomeError(_told(error), replayed=headers.get("idempotent-replayed") == "true")
    return StripeFaultError(f"{status}: {_told(error)}")
