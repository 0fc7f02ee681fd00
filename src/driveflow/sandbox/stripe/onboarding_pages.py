"""The page on which a connected account is onboarded."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.page import base_url_of, go, message, no_page, page, sandbox_of
from driveflow.sandbox.stripe.resources import account_links, accounts
from driveflow.sandbox.stripe.store import Record


def _link_page(call: Call, link: Record | None) -> Response | None:
    if link is None:
        return no_page()
    if account_links.usable(call, link):
        return None
    if link.hidden["refresh_url"]:
        return go(link.hidden["refresh_url"])
    return message("This link is used up", "Ask for a new one.", HTTPStatus.GONE)


async def show_onboarding(request: Request) -> Response:
    """Show the page on which an account is onboarded."""
    with sandbox_of(request).act(base_url_of(request)) as call:
        link = call.store.find(account_links.KIND, request.path_params["link"])
        over = _link_page(call, link)
        if over is not None or link is None:
            return over or no_page()
        account = call.store.get(accounts.KIND, link.hidden["target"])
        return page(
            "onboarding.html",
            account=account.id,
            country=account.body["country"],
            email=account.body["email"],
            return_url=link.hidden["return_url"],
            action=request.url.path,
        )


async def submit_onboarding(request: Request) -> Response:
    """Onboard an account."""
    with sandbox_of(request).act(base_url_of(request)) as call:
        link = call.store.find(account_links.KIND, request.path_params["link"])
        over = _link_page(call, link)
        if over is not None or link is None:
            return over or no_page()
        link.hidden["used"] = True
        call.store.save(link)
        accounts.complete_onboarding(call, call.store.get(accounts.KIND, link.hidden["target"]))
        if link.hidden["return_url"]:
            return go(link.hidden["return_url"])
        return message("You are ready to be paid", "You can close this page.", HTTPStatus.OK)
