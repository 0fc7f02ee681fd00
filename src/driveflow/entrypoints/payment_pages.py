"""The pages on which Stripe's pages leave people; they show nothing of the payment or account itself."""

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from driveflow.entrypoints.deps import SafeRoute
from driveflow.payments.attempts import PayPages

router = APIRouter(route_class=SafeRoute, tags=["payments"])

_OPEN: dict[str, Any] = {"security": []}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title></head>
<body><main><h1>{title}</h1><p>{text}</p></main></body>
</html>
"""


def pages_of(base_url: str) -> PayPages:
    """Return where Stripe's page leads to."""
    return PayPages(success_url=f"{base_url}/paid", cancel_url=f"{base_url}/not-paid")


@router.get("/paid", response_class=HTMLResponse, openapi_extra=_OPEN)
async def paid() -> str:
    """Thank a customer who has paid."""
    return _PAGE.format(
        title="Thank you",
        text="Your payment is being recorded. You can close this page; we will write to you.",
    )


@router.get("/not-paid", response_class=HTMLResponse, openapi_extra=_OPEN)
async def not_paid() -> str:
    """Tell a customer who went back that nothing was paid."""
    return _PAGE.format(
        title="Nothing was paid", text="You can close this page and pay later by the link of your booking."
    )


@router.get("/onboarding/done", response_class=HTMLResponse, openapi_extra=_OPEN)
async def onboarding_done() -> str:
    """Tell an instructor who comes back from Stripe's form what happens next."""
    return _PAGE.format(
        title="Thank you",
        text="Stripe checks what you entered. Payouts begin by themselves as soon as it has agreed.",
    )


@router.get("/onboarding/again", response_class=HTMLResponse, openapi_extra=_OPEN)
async def onboarding_again() -> str:
    """Tell an instructor whose link is used up where the next one comes from."""
    return _PAGE.format(
        title="This link is used up", text="Ask for a new one where you found this one: links work once only."
    )
