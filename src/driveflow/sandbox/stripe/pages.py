"""The pages that a person sees in place of Stripe's: to pay, to authenticate, to be onboarded.

Plain forms that work without a script. Each submission is one transaction, so that a second tab finds what
the first did.
"""

from starlette.routing import Route

from driveflow.sandbox.stripe.onboarding_pages import show_onboarding, submit_onboarding
from driveflow.sandbox.stripe.pay_pages import (
    show_authentication,
    show_pay,
    show_receipt,
    submit_authentication,
    submit_pay,
)


def page_routes() -> list[Route]:
    """Return the routes of all pages."""
    return [
        Route("/pay/{session}", show_pay),
        Route("/pay/{session}", submit_pay, methods=["POST"]),
        Route("/3d-secure/{intent}", show_authentication),
        Route("/3d-secure/{intent}", submit_authentication, methods=["POST"]),
        Route("/onboarding/{link}", show_onboarding),
        Route("/onboarding/{link}", submit_onboarding, methods=["POST"]),
        Route("/receipts/{intent}", show_receipt),
    ]
