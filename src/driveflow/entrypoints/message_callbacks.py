"""Routes that Twilio and the readers of mail call: status of messages, replies, links to unsubscribe.

Twilio's requests prove themselves by a signature over the public address and the form
(https://www.twilio.com/docs/usage/security#validating-requests), links by the secret in them; no key is
asked. Opening a link changes nothing, because programs that look for harmful mail open every link: only the
button on its page does, or the reader's mail program by RFC 8058.
"""

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from driveflow.core.actor import system_actor
from driveflow.core.errors import ForbiddenError, InvalidInputError
from driveflow.entrypoints.api.schemas import PROBLEMS
from driveflow.entrypoints.deps import NO_CONTENT, SafeRoute, Services, services_of
from driveflow.integrations.twilio_client import is_genuine
from driveflow.messaging import opt_outs, service
from driveflow.messaging.channels import MessageChannel
from driveflow.messaging.language import language
from driveflow.orgs.service import settings_of

router = APIRouter(
    route_class=SafeRoute,
    tags=["webhooks"],
    responses={status: PROBLEMS[status] for status in (403, 404, 413, 422, 429, 503)},
)

_OPEN: Final[dict[str, Any]] = {"security": []}
_FORM: Final[dict[str, Any]] = {
    **_OPEN,
    "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}},
}
_MAX_FIELDS: Final = 100
_WHATSAPP: Final = "whatsapp:"
# An empty answer: Twilio itself confirms STOP and START to the sender.
_NO_REPLY: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("pages")), autoescape=True, undefined=StrictUndefined
)
_PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
}


@router.post("/webhooks/twilio/{message_id}", status_code=NO_CONTENT, openapi_extra=_FORM)
async def twilio_status(request: Request, message_id: UUID, school: Annotated[UUID, Query()]) -> None:
    """Take Twilio's word on what became of a message."""
    services = services_of(request)
    form = await _genuine_form(request, services)
    provider_id, word = form.get("MessageSid", ""), form.get("MessageStatus", "")
    if not provider_id or not word:
        raise InvalidInputError.of("MessageSid", "A status callback names the message and its status.")
    async with services.database.session(school) as session:
        await service.note_status(
            session,
            system_actor(school),
            message_id,
            provider_id=provider_id,
            word=word,
            error_code=form.get("ErrorCode") or None,
            now=services.clock(),
        )
    services.on_commit()


@router.post(
    "/webhooks/twilio-inbound",
    response_class=Response,
    responses={200: {"content": {"text/xml": {}}}},
    openapi_extra=_FORM,
)
async def twilio_inbound(request: Request) -> Response:
    """Take an SMS or WhatsApp message that somebody sent to us: STOP, START, or any other."""
    services = services_of(request)
    form = await _genuine_form(request, services)
    sender = form.get("From", "")
    if not sender:
        raise InvalidInputError.of("From", "A message names its sender.")
    channel = MessageChannel.WHATSAPP if sender.startswith(_WHATSAPP) else MessageChannel.SMS
    async with services.database.session(None) as session:
        await opt_outs.note_inbound(
            session,
            channel,
            sender.removeprefix(_WHATSAPP),
            form.get("OptOutType") or form.get("Body", ""),
            now=services.clock(),
        )
    return Response(_NO_REPLY, media_type="text/xml")


@router.get("/unsubscribe/{token}", response_class=HTMLResponse, openapi_extra=_OPEN)
async def show_unsubscribe(request: Request, token: str) -> HTMLResponse:
    """Show the page with the button; changes nothing."""
    services = services_of(request)
    ticket = _counted_ticket(request, services, token)
    async with services.database.session(ticket.org_id) as session:
        address = await opt_outs.address_of_ticket(session, ticket)
        org = await settings_of(session, ticket.org_id)
    services.rate_limits.proven(token, _caller(request))
    return _page("unsubscribe.html", org.locale, school=org.name, address=address, done=False)


@router.post("/unsubscribe/{token}", response_class=HTMLResponse, openapi_extra=_OPEN)
async def unsubscribe(request: Request, token: str) -> HTMLResponse:
    """Send no more reminders and summaries to the address of this link; by the button or RFC 8058."""
    services = services_of(request)
    ticket = _counted_ticket(request, services, token)
    async with services.database.session(ticket.org_id) as session:
        address = await opt_outs.unsubscribe(
            session, system_actor(ticket.org_id), ticket, now=services.clock()
        )
        org = await settings_of(session, ticket.org_id)
    return _page("unsubscribe.html", org.locale, school=org.name, address=address, done=True)


def _counted_ticket(request: Request, services: Services, token: str) -> opt_outs.Ticket:
    """Return what a link names; guesses count against their address."""
    services.rate_limits.check(token, _caller(request))
    return opt_outs.read_token(token)


def _caller(request: Request) -> str | None:
    return request.client.host if request.client else None


async def _genuine_form(request: Request, services: Services) -> dict[str, str]:
    """Return the form of a request that Twilio signed; raises ForbiddenError for any other."""
    body = await request.body()
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError as error:
        raise InvalidInputError("The body is not a form.") from error
    token = services.settings.twilio_auth_token
    # Twilio signs the address that it was told, which a proxy may have changed on the way to us.
    query = f"?{request.url.query}" if request.url.query else ""
    url = f"{services.settings.public_base}{request.url.path}{query}"
    signature = request.headers.get("x-twilio-signature", "")
    if token is None or not is_genuine(token, url, form, signature):
        raise ForbiddenError("Only Twilio may call this, with its signature.", code="bad_signature")
    return form


def _page(name: str, locale: str, **values: object) -> HTMLResponse:
    words = language(locale)
    html = _PAGES.get_template(name).render(say=words.say, language_tag=words.tag, **values)
    return HTMLResponse(html, headers=_PAGE_HEADERS)
