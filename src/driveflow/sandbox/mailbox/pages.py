"""The mailbox's pages: mails, and text messages by number. They need no script."""

from email.message import EmailMessage, MIMEPart
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import httpx
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from driveflow.sandbox.mailbox.store import KeptMail, MailboxStore
from driveflow.sandbox.mailbox.twilio_endpoint import TwilioEndpoint

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, undefined=StrictUndefined
)
_TEMPLATES.filters["path"] = lambda text: quote(text, safe="")
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# The mail's own page: nothing but its inline styles, in no window but ours, and without rights in it.
_MAIL_HEADERS: Final = {
    **_HEADERS,
    "content-security-policy": "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'",
}
_OWN_PAGES: Final = frozenset({"same-origin", "none"})


class MailboxPages:
    """Serves the pages."""

    def __init__(self, store: MailboxStore, endpoint: TwilioEndpoint) -> None:
        self._store = store
        self._endpoint = endpoint

    @property
    def routes(self) -> list[Route]:
        """The routes of the pages."""
        return [
            Route("/", self.mails),
            Route("/mails/{mail_id:int}", self.mail),
            Route("/mails/{mail_id:int}/html", self.mail_html),
            Route("/mails/{mail_id:int}/attachments/{number:int}", self.attachment),
            Route("/texts", self.threads),
            Route("/texts/{channel}/{number}", self.thread),
            Route("/texts/{channel}/{number}/reply", self.reply, methods=["POST"]),
        ]

    async def mails(self, _request: Request) -> Response:
        """List the mails."""
        return _page("mails.html", here="mails", mails=self._store.mails())

    async def mail(self, request: Request) -> Response:
        """Show a mail: headers, HTML in a frame without rights, its plain twin, attachments."""
        mail = self._mail(request)
        message = mail.parsed()
        text = message.get_body(("plain",))
        return _page(
            "mail.html",
            here="mails",
            mail=mail,
            headers=[
                (name, str(message[name]))
                for name in ("From", "To", "Reply-To", "Date", "Message-ID", "List-Unsubscribe")
                if message[name]
            ],
            has_html=message.get_body(("html",)) is not None,
            text=_content(text) if text is not None else "",
            attachments=[
                (number, part.get_filename() or "attachment", part.get_content_type())
                for number, part in enumerate(_attachments(message))
            ],
        )

    async def mail_html(self, request: Request) -> Response:
        """Return a mail's own HTML, for the frame."""
        body = self._mail(request).parsed().get_body(("html",))
        if body is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return HTMLResponse(_content(body), headers=_MAIL_HEADERS)

    async def attachment(self, request: Request) -> Response:
        """Download an attachment."""
        parts = _attachments(self._mail(request).parsed())
        number = request.path_params["number"]
        if number >= len(parts):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        part = parts[number]
        content = part.get_payload(decode=True)
        name = quote(part.get_filename() or "attachment")
        return Response(
            content if isinstance(content, bytes) else b"",
            media_type=part.get_content_type(),
            headers={**_HEADERS, "content-disposition": f"attachment; filename*=UTF-8''{name}"},
        )

    async def threads(self, _request: Request) -> Response:
        """List the numbers that heard from us or wrote to us."""
        return _page("threads.html", here="texts", threads=self._store.threads())

    async def thread(self, request: Request) -> Response:
        """Show the messages of a number, with a box to answer."""
        channel, number = request.path_params["channel"], request.path_params["number"]
        texts = self._store.thread(channel, number)
        if not texts:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return _page(
            "thread.html",
            here="texts",
            channel=channel,
            number=number,
            texts=texts,
            stopped=self._store.is_stopped(channel, number),
            trouble=request.query_params.get("trouble", ""),
        )

    async def reply(self, request: Request) -> Response:
        """Send a message as the owner of a number."""
        if request.headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
            raise HTTPException(HTTPStatus.FORBIDDEN)
        channel, number = request.path_params["channel"], request.path_params["number"]
        texts = self._store.thread(channel, number)
        body = dict(parse_qsl((await request.body()).decode())).get("body", "").strip()
        if not texts or not body:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        trouble = ""
        try:
            status = await self._endpoint.receive(channel, number, texts[-1].our_number, body)
            if status >= HTTPStatus.BAD_REQUEST:
                trouble = f"?trouble={status}"
        except httpx.TransportError:
            trouble = "?trouble=unreachable"
        address = f"/texts/{quote(channel, safe='')}/{quote(number, safe='')}{trouble}"
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)

    def _mail(self, request: Request) -> KeptMail:
        mail = self._store.mail(request.path_params["mail_id"])
        if mail is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return mail


def _page(name: str, **values: Any) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(name).render(**values), headers=_HEADERS)


def _content(part: MIMEPart) -> str:
    return str(part.get_content())


def _attachments(message: EmailMessage) -> list[MIMEPart]:
    return list(message.iter_attachments())
