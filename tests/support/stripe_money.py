"""Payments, accounts and sessions in a Stripe sandbox, in a line each."""

from typing import Any

import stripe

from support.stripe_sandbox import StripeSandbox

SUCCESS_URL = "https://school.example/paid?session={CHECKOUT_SESSION_ID}"
CANCEL_URL = "https://school.example/cancelled"


def pay(client: stripe.StripeClient, method: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
    """Pay with a test payment method; 100 dollars unless `amount` says otherwise."""
    params: Any = {"amount": 10_000, "currency": "aud", "confirm": True, "payment_method": method, **more}
    return client.v1.payment_intents.create(params)


def charge_of(client: stripe.StripeClient, intent: stripe.PaymentIntent) -> stripe.Charge:
    """Return the charge of a paid intent with its movement."""
    assert isinstance(intent.latest_charge, str)
    return client.v1.charges.retrieve(intent.latest_charge, {"expand": ["balance_transaction"]})


def open_session(client: stripe.StripeClient, amount: int = 9900, **more: Any) -> stripe.checkout.Session:
    """Open a checkout session of one line."""
    params: Any = {
        "mode": "payment",
        "success_url": SUCCESS_URL,
        "cancel_url": CANCEL_URL,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {"currency": "aud", "unit_amount": amount, "product_data": {"name": "Lesson"}},
            }
        ],
        **more,
    }
    return client.v1.checkout.sessions.create(params)


def page_of(session: stripe.checkout.Session) -> str:
    """Return the address of an open session's page."""
    assert session.url is not None
    return session.url


def open_account(sandbox: StripeSandbox, client: stripe.StripeClient, *, onboarded: bool = True) -> str:
    """Make an Express account that may receive transfers once it is onboarded; return its id."""
    account = client.v1.accounts.create(
        {"type": "express", "country": "AU", "capabilities": {"transfers": {"requested": True}}}
    )
    if onboarded:
        sandbox.control.act("accounts", account.id, "complete-onboarding")
    return account.id


def event_types(client: stripe.StripeClient, account: str | None = None) -> list[str]:
    """Return the types of the last events, oldest first."""
    options: Any = {"stripe_account": account} if account else {}
    return [str(event.type) for event in client.v1.events.list({"limit": 100}, options).data][::-1]
