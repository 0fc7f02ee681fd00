"""The sandbox accepts what Stripe accepts, and nothing else; and so it is a judge of what we send."""

from typing import Any

import pytest

from driveflow.sandbox.stripe.call import Operation
from driveflow.sandbox.stripe.fields import Choice, Field, Flag, Integer, ListOf, Metadata, Range, Shape, Text
from driveflow.sandbox.stripe.registry import OPERATIONS
from driveflow.sandbox.stripe.resources import payment_pages
from support.stripe_contract import assert_request_valid, described, needs_contract

pytestmark = needs_contract

# What Stripe's own pay page calls is not described.
PUBLIC = [operation for operation in OPERATIONS if not operation.path.startswith(payment_pages.PATH)]
KINDS = {Text: "string", Choice: "string", Integer: "integer", Flag: "boolean", Shape: "object"}


def options(schema: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return what a schema allows of a type."""
    return [option for option in schema.get("anyOf", [schema]) if option.get("type") == kind]


def undescribed(field: Field, schema: dict[str, Any], name: str) -> list[str]:
    """Return what a field accepts that a schema does not."""
    match field:
        case Metadata():
            found = options(schema, "object")
            return [] if found and "additionalProperties" in found[0] else [f"{name} is no hash"]
        case Range():
            return [] if options(schema, "object") and options(schema, "integer") else [f"{name} is no range"]
        case ListOf():
            arrays = options(schema, "array")
            return (
                undescribed(field.item, arrays[0]["items"], f"{name}[]") if arrays else [f"{name} is no list"]
            )
        case Shape():
            tried = [shape_problems(field, option, name) for option in options(schema, "object")]
            return min(tried, key=len, default=[f"{name} is no group"])
        case _:
            fitting = options(schema, KINDS[type(field)])
            words = {word for option in fitting for word in option.get("enum", chosen(field))}
            return ([] if fitting else [f"{name} is no {KINDS[type(field)]}"]) + [
                f"{name} may not be {word}" for word in chosen(field) if word not in words
            ]


def chosen(field: Field) -> tuple[str, ...]:
    return field.words if isinstance(field, Choice) else ()


def shape_problems(shape: Shape, schema: dict[str, Any], name: str) -> list[str]:
    properties = schema.get("properties", {})
    problems = []
    for key, field in shape.fields.items():
        inner = f"{name}[{key}]" if name else key
        problems += (
            undescribed(field, properties[key], inner) if key in properties else [f"{inner} is unknown"]
        )
    return problems + [
        f"{name}[{key}] is required"
        for key in schema.get("required", [])
        if key not in shape.fields or not shape.fields[key].required
    ]


@pytest.mark.parametrize("operation", PUBLIC, ids=lambda operation: f"{operation.method} {operation.path}")
def test_an_operation_accepts_only_what_stripe_describes(operation: Operation) -> None:
    schema = described(operation.method, operation.path)
    assert not shape_problems(Shape(operation.fields), schema, "")


GOOD = [
    (
        "POST",
        "/v1/refunds",
        "payment_intent=pi_1&amount=500&metadata[refund_id]=r&reason=requested_by_customer",
    ),
    ("POST", "/v1/transfers/tr_1/reversals", "amount=100"),
    ("GET", "/v1/events", "created[gte]=1&types[]=charge.refunded&types[]=refund.failed&limit=100"),
    ("POST", "/v1/checkout/sessions/cs_test_1/expire", ""),
    ("POST", "/v1/checkout/sessions", "mode=payment&line_items[0][price_data][currency]=aud&success_url="),
]
BAD = [
    ("POST", "/v1/refunds", "payment_intent=pi_1&cents=500", "cents is unknown"),
    ("POST", "/v1/refunds", "amount=much", "amount is no integer"),
    ("POST", "/v1/refunds", "reason=mood", "reason may not be 'mood'"),
    ("POST", "/v1/transfers", "destination=acct_1&amount=5", r"\[currency\] is missing"),
    (
        "POST",
        "/v1/checkout/sessions",
        "mode=payment&line_items[0][price_data][currency]=aud&line_items[0][price_data][product_data][nam]=x",
        r"line_items\[0\]\[price_data\]\[product_data\]\[nam\] is unknown",
    ),
    ("GET", "/v1/events", "limit=100&kind=x", "kind is unknown"),
    ("POST", "/v1/refundz", "amount=5", "Stripe has no POST /v1/refundz"),
]


@pytest.mark.parametrize(("method", "path", "form"), GOOD)
def test_a_good_request_is_found_good(method: str, path: str, form: str) -> None:
    assert_request_valid(method, path, form)


@pytest.mark.parametrize(("method", "path", "form", "problem"), BAD)
def test_a_bad_request_is_found_bad(method: str, path: str, form: str, problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        assert_request_valid(method, path, form)
