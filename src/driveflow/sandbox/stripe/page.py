"""What all pages share: templates, headers, forms."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from driveflow.core.money import format_cents
from driveflow.sandbox.stripe.sandbox import Sandbox

_templates: Final = Environment(
    loader=PackageLoader("driveflow.sandbox.stripe"), autoescape=True, undefined=StrictUndefined
)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MAX_BODY: Final = 20_000


def sandbox_of(request: Request) -> Sandbox:
    """Return the sandbox that serves a request."""
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox


def base_url_of(request: Request) -> str:
    """Return where the sandbox is reached, also when another application mounts it."""
    return sandbox_of(request).settings.public_url or (
        f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
    )


def page(template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
    """Return a page made of a template."""
    text = _templates.get_template(template).render(**values)
    return HTMLResponse(text, status, headers=_HEADERS)


def message(
    heading: str, text: str, status: int, link: str | None = None, link_text: str = "Go back"
) -> Response:
    """Return a page that says one thing, with a way on."""
    return page("message.html", status, heading=heading, text=text, link=link, link_text=link_text)


def go(url: str) -> Response:
    """Send the browser elsewhere."""
    return RedirectResponse(url, HTTPStatus.SEE_OTHER)


async def form_of(request: Request) -> dict[str, str]:
    """Return what a form has sent; nothing if it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return {}
    return {name: value.strip() for name, value in parse_qsl(body.decode(errors="replace"))}


def amount_of(body: Mapping[str, Any], name: str = "amount") -> str:
    """Return an amount of an object as a person reads it."""
    return format_cents(body[name], body["currency"].upper(), "en_AU")


def no_page() -> Response:
    """Return the page for an address that names nothing."""
    return message(
        "There is no such page", "Check the address, or go back to where you came from.", HTTPStatus.NOT_FOUND
    )
