"""How Stripe's API is spoken: keys, forms, lists, expansion, errors."""

from typing import Any

import httpx
import pytest
import stripe

from driveflow.sandbox.stripe import forms
from driveflow.sandbox.stripe.errors import StripeError
from support.stripe_money import open_account, pay
from support.stripe_sandbox import SECRET_KEY, StripeSandbox

BAD_LINE = "mode=payment&success_url=http://x&line_items[0][price_data][nam]=x"


def ask(
    sandbox: StripeSandbox, method: str, path: str, *, key: str | None = SECRET_KEY, **more: Any
) -> httpx.Response:
    """Send a request as no library would."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return sandbox.browser.request(method, f"/v1/{path}", headers=headers, **more)


def post(sandbox: StripeSandbox, path: str, form: str | bytes) -> httpx.Response:
    """Send a form as it is."""
    return ask(sandbox, "POST", path, content=form)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a[b][c]=d+e%26", {"a": {"b": {"c": "d e&"}}}),
        ("a[0]=x&a[1]=y", {"a": ["x", "y"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[]=x&a[]=y", {"a": ["x", "y"]}),
        ("a[0][b]=1&a[0][c]=2&a[1][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ("a[][b]=1&a[][c]=2&a[][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ("m[x y]=1&m[2]=z", {"m": {"x y": "1", "2": "z"}}),
        ("", {}),
    ],
)
def test_forms_are_decoded_as_stripe_does(text: str, tree: dict[str, Any]) -> None:
    assert forms.decode(text) == tree


@pytest.mark.parametrize(
    "text", ["a=%ff", "a=1&a[b]=2", "[a]=1", "a[b=1", "&".join("a=1" for _ in range(2000))]
)
def test_what_is_no_form_is_refused(text: str) -> None:
    with pytest.raises(StripeError):
        forms.decode(text)


def test_a_request_needs_a_key(sandbox: StripeSandbox) -> None:
    answer = ask(sandbox, "GET", "balance", key=None)
    assert answer.status_code == 401
    assert "You did not provide an API key" in answer.json()["error"]["message"]
    wrong = ask(sandbox, "GET", "balance", key="sk_test_of_somebody_else")
    assert wrong.status_code == 401
    assert wrong.json()["error"]["message"] == "Invalid API Key provided: sk_test_************else"


def test_a_key_may_be_a_user_name(sandbox: StripeSandbox) -> None:
    assert sandbox.browser.get("/v1/balance", auth=(SECRET_KEY, "")).status_code == 200
    assert sandbox.browser.get("/v1/balance", headers={"Authorization": "Basic !"}).status_code == 401


def test_every_answer_names_its_request_and_version(sandbox: StripeSandbox) -> None:
    answer = ask(sandbox, "GET", "balance")
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["stripe-version"]
    assert ask(sandbox, "GET", "balance").headers["request-id"] != answer.headers["request-id"]


def test_an_unknown_address_is_not_found(sandbox: StripeSandbox) -> None:
    answer = ask(sandbox, "DELETE", "charges/ch_1")
    assert answer.status_code == 404
    assert "Unrecognized request URL (DELETE: /v1/charges/ch_1)" in answer.json()["error"]["message"]


def test_what_does_not_exist_is_missing(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent: 'pi_nobody'") as refused:
        client.v1.payment_intents.retrieve("pi_nobody")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as named:
        client.v1.refunds.create({"charge": "ch_nobody"})
    assert (named.value.http_status, named.value.param) == (400, "charge")


@pytest.mark.parametrize(
    ("path", "form", "param", "code"),
    [
        ("refunds", "cents=5", "cents", "parameter_unknown"),
        ("payment_intents", "amount=500&currency=aud&shipping[nam]=x", "shipping[nam]", "parameter_unknown"),
        ("checkout/sessions", BAD_LINE, "line_items[0][price_data][nam]", "parameter_unknown"),
        ("payment_intents", "currency=aud", "amount", "parameter_missing"),
        ("payment_intents", "amount=5.5&currency=aud", "amount", "parameter_invalid_integer"),
        ("payment_intents", "amount[a]=5&currency=aud", "amount", "parameter_invalid_integer"),
        ("payment_intents", "amount=500&currency=", "currency", "parameter_invalid_empty"),
        ("payment_intents", "amount=500&currency=aud&confirm=yes", "confirm", None),
        ("payment_intents", "amount=500&currency=aud&shipping=x", "shipping", None),
        (
            "payment_intents",
            "amount=500&currency=aud&payment_method_types=card",
            "payment_method_types",
            None,
        ),
        ("payment_intents", f"amount=500&currency=aud&metadata[{'k' * 41}]=v", "metadata", None),
        ("payment_intents", f"amount=500&currency=aud&metadata[k]={'v' * 501}", "metadata[k]", None),
        ("refunds", "reason=mood", "reason", None),
        ("checkout/sessions", "mode=subscription&success_url=http://x&line_items[0][price]=p", "mode", None),
    ],
)
def test_parameters_are_refused_by_name(
    sandbox: StripeSandbox, path: str, form: str, param: str, code: str | None
) -> None:
    answer = post(sandbox, path, form)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"], error.get("code")) == ("invalid_request_error", param, code)


def test_a_body_that_is_no_text_is_refused(sandbox: StripeSandbox) -> None:
    assert post(sandbox, "refunds", b"charge=\xff\xfe").status_code == 400
    assert post(sandbox, "refunds", b"a" * 1_000_001).status_code == 413


def test_metadata_is_added_changed_and_removed(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create(
        {"amount": 500, "currency": "aud", "metadata": {"a": "1", "0": "zero"}}
    )
    assert intent.metadata.to_dict() == {"a": "1", "0": "zero"}
    changed = client.v1.payment_intents.update(intent.id, {"metadata": {"a": "", "b": "2"}})
    assert changed.metadata.to_dict() == {"0": "zero", "b": "2"}
    assert client.v1.payment_intents.update(intent.id, {"metadata": ""}).metadata.to_dict() == {}


def test_a_list_is_walked_in_both_directions(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    made = [client.v1.customers.create({"email": f"{at}@example.com"}).id for at in range(5)]
    newest = client.v1.customers.list({"limit": 2})
    assert ([customer.id for customer in newest.data], newest.has_more) == (made[:2:-1], True)
    older = client.v1.customers.list({"limit": 2, "starting_after": made[3]})
    assert ([customer.id for customer in older.data], older.has_more) == ([made[2], made[1]], True)
    last = client.v1.customers.list({"limit": 2, "starting_after": made[1]})
    assert ([customer.id for customer in last.data], last.has_more) == ([made[0]], False)
    newer = client.v1.customers.list({"limit": 2, "ending_before": made[1]})
    assert ([customer.id for customer in newer.data], newer.has_more) == ([made[3], made[2]], True)
    assert [customer.id for customer in client.v1.customers.list({"limit": 2}).auto_paging_iter()] == made[
        ::-1
    ]
    assert [customer.id for customer in client.v1.customers.list({"email": "3@example.com"}).data] == [
        made[3]
    ]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.list({"starting_after": "cus_nobody"})
    assert refused.value.param == "starting_after"


def test_events_are_found_by_type_and_time(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    pay(client)
    own_sandbox.control.advance_clock(1000)
    late = pay(client)
    succeeded = client.v1.events.list({"type": "charge.succeeded"})
    assert [event.type for event in succeeded.data] == ["charge.succeeded"] * 2
    since = client.v1.events.list(
        {"created": {"gte": late.created}, "types": ["charge.*", "payment_intent.succeeded"]}
    )
    assert [event.type for event in since.data] == ["payment_intent.succeeded", "charge.succeeded"]
    event = client.v1.events.retrieve(since.data[0].id)
    assert event.data.object["id"] == late.id
    assert event.request is not None
    assert event.request.id is not None


def test_what_cannot_be_expanded_is_refused(client: stripe.StripeClient) -> None:
    intent = pay(client)
    for path in ("amount", "nothing", "latest_charge.amount"):
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            client.v1.payment_intents.retrieve(intent.id, {"expand": [path]})


def test_a_connected_account_sees_only_its_own(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    account = open_account(sandbox, client)
    intent = pay(client)
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent"):
        client.v1.payment_intents.retrieve(intent.id, {}, {"stripe_account": account})
    with pytest.raises(stripe.PermissionError):
        client.v1.balance.retrieve({}, {"stripe_account": "acct_nobody"})
