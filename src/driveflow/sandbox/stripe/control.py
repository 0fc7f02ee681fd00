"""What tests and the demo steer a sandbox by: faults, the clock, outcomes that Stripe decides, totals.

JSON over HTTP under `/_control`; Stripe has nothing like it, so it asks for no key. Served on loopback only.
"""

import json
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from driveflow.sandbox.stripe import faults, timers
from driveflow.sandbox.stripe.call import CLOCK_OFFSET, Call
from driveflow.sandbox.stripe.errors import StripeError
from driveflow.sandbox.stripe.expansion import present
from driveflow.sandbox.stripe.page import base_url_of, sandbox_of
from driveflow.sandbox.stripe.pay_pages import finish_authentication
from driveflow.sandbox.stripe.registry import TIMER_ACTIONS
from driveflow.sandbox.stripe.resources import accounts, balance_transactions, disputes, refunds
from driveflow.sandbox.stripe.store import Record
from driveflow.sandbox.stripe.totals import totals


class _BadRequestError(Exception):
    """The control was asked for something that does not exist."""


def control_routes() -> list[Route]:
    """Return the routes of the control."""
    return [
        Route("/faults", add_fault, methods=["POST"]),
        Route("/faults", clear_faults, methods=["DELETE"]),
        Route("/clock", move_clock, methods=["POST"]),
        Route("/totals", show_totals),
        Route("/requests", show_requests),
        Route("/deliveries", show_deliveries),
        Route("/deliveries/redeliver", redeliver, methods=["POST"]),
        Route("/{kind}/{id}/{act}", act, methods=["POST"]),
    ]


async def _json(request: Request) -> dict[str, Any]:
    text = await request.body()
    document = json.loads(text) if text else {}
    return document if isinstance(document, dict) else {}


async def add_fault(request: Request) -> Response:
    """Have the next matching requests or deliveries go wrong.

    `{"kind": "lost", "method": "POST", "path": "/v1/refunds", "times": 1}`, or for deliveries
    `{"kind": "duplicate", "event": "charge.", "times": 2}`; `ms` and `copies` where the kind takes them.
    """
    given = await _json(request)
    kind = given.pop("kind", None)
    times = given.pop("times", 1)
    if kind in faults.REQUEST_FAULTS:
        area, subject = "request", f"{given.pop('method', 'POST')} {given.pop('path', '/v1/')}"
    elif kind in faults.DELIVERY_FAULTS:
        area, subject = "delivery", given.pop("event", "")
    else:
        return _refused(f"There is no fault {kind!r}.")
    with sandbox_of(request).store.transaction():
        faults.add(sandbox_of(request).store, area, subject, {"kind": kind, **given}, times)
    return JSONResponse({"area": area, "subject": subject, "kind": kind, "times": times})


async def clear_faults(request: Request) -> Response:
    """Forget all faults."""
    with sandbox_of(request).store.transaction():
        faults.clear(sandbox_of(request).store)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def move_clock(request: Request) -> Response:
    """Move the sandbox's time ahead (`advance_s`), and do what has become due by it."""
    given = await _json(request)
    sandbox = sandbox_of(request)
    with sandbox.store.transaction():
        sandbox.store.count(CLOCK_OFFSET, int(given["advance_s"]))
    with sandbox.act() as call:
        return JSONResponse({"now": call.now})


async def show_totals(request: Request) -> Response:
    """Show balances, the sums behind them and how many of each object there are."""
    with sandbox_of(request).act() as call:
        return JSONResponse(totals(call))


async def show_requests(request: Request) -> Response:
    """Show the last requests of the API as they came, oldest first."""
    return JSONResponse([asdict(received) for received in sandbox_of(request).requests])


async def show_deliveries(request: Request) -> Response:
    """Show every delivery of an event: how often it was tried and what came of it."""
    rows = sandbox_of(request).store.connection.execute(
        "SELECT d.event_id, json_extract(o.body, '$.type'), d.endpoint, d.attempts, d.outcome"
        " FROM deliveries d JOIN objects o ON o.id = d.event_id ORDER BY d.id"
    )
    names = ("event", "type", "endpoint", "attempts", "outcome")
    return JSONResponse([dict(zip(names, row, strict=True)) for row in rows])


async def redeliver(request: Request) -> Response:
    """Deliver events again (`event` for one, all otherwise), whatever came of the first time."""
    event_id = (await _json(request)).get("event")
    with sandbox_of(request).store.transaction():
        changed = sandbox_of(request).store.connection.execute(
            "UPDATE deliveries SET outcome = NULL, attempts = 0, due = 0 WHERE ?1 IS NULL OR event_id = ?1",
            (event_id,),
        )
        return JSONResponse({"deliveries": changed.rowcount})


async def act(request: Request) -> Response:
    """Let happen to one object what Stripe, a bank or a card holder would decide."""
    kind, object_id, name = (request.path_params[part] for part in ("kind", "id", "act"))
    given = await _json(request)
    deed = _ACTS.get((kind, name))
    if deed is None:
        return _refused(f"There is no act {kind}/{name}.")
    stored_kind = kind.removesuffix("s")
    try:
        with sandbox_of(request).act(base_url_of(request).removesuffix("/_control")) as call:
            record = call.store.find(stored_kind, object_id)
            if record is None:
                raise _BadRequestError(f"There is no {stored_kind} {object_id}.")  # noqa: TRY301 - rolls back
            deed(call, record, given)
            return JSONResponse(present(call, call.store.get(stored_kind, object_id)))
    except (StripeError, _BadRequestError) as error:
        return _refused(str(error))


def _refused(message: str) -> Response:
    return JSONResponse({"error": message}, HTTPStatus.BAD_REQUEST)


def _dispute_charge(call: Call, charge: Record, given: dict[str, Any]) -> None:
    disputes.open_dispute(call, charge, given.get("reason", "fraudulent"))


def _close_dispute(call: Call, dispute: Record, given: dict[str, Any]) -> None:
    disputes.decide(call, dispute, won=given["outcome"] == "won")


def _fail_refund(call: Call, refund: Record, given: dict[str, Any]) -> None:
    refunds.fail(call, refund, given.get("reason", "lost_or_stolen_card"))


def _advance(call: Call, record: Record, _: dict[str, Any]) -> None:
    if not timers.run_now(call, TIMER_ACTIONS, record.id):
        raise _BadRequestError(f"Nothing waits for {record.id}.")


def _authenticate(call: Call, intent: Record, given: dict[str, Any]) -> None:
    if intent.body["status"] != "requires_action":
        raise _BadRequestError(f"{intent.id} does not wait for an authentication.")
    finish_authentication(call, intent, passed=given.get("passed", True), base_url=call.base_url)


def _complete(call: Call, account: Record, _: dict[str, Any]) -> None:
    accounts.complete_onboarding(call, account)


def _restrict(call: Call, account: Record, _: dict[str, Any]) -> None:
    accounts.restrict(call, account)


def _restore(call: Call, account: Record, _: dict[str, Any]) -> None:
    accounts.restore(call, account)


def _pay_out(call: Call, account: Record, given: dict[str, Any]) -> None:
    """Let a connected account's bank take its money, so that reversals find too little."""
    currency = given.get("currency", account.body["default_currency"])
    held = sum(balance_transactions.sums(call, account.id).get(currency, (0, 0)))
    amount = given.get("amount", held)
    balance_transactions.book(call, "payout", None, -amount, currency, account=account.id)


_ACTS = {
    ("charges", "dispute"): _dispute_charge,
    ("disputes", "close"): _close_dispute,
    ("refunds", "fail"): _fail_refund,
    ("refunds", "advance"): _advance,
    ("payment_intents", "advance"): _advance,
    ("payment_intents", "authenticate"): _authenticate,
    ("accounts", "complete-onboarding"): _complete,
    ("accounts", "restrict"): _restrict,
    ("accounts", "restore"): _restore,
    ("accounts", "pay-out"): _pay_out,
}
