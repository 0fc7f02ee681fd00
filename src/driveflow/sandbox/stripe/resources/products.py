"""Products and their one-time prices: what a checkout's line can name instead of describing it."""

from typing import Any, Final

from driveflow.sandbox.stripe.call import Call, Operation, merged
from driveflow.sandbox.stripe.errors import malformed
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.fields import PAGE, Choice, Field, Flag, Integer, ListOf, Metadata, Range, Text
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.store import Record

TAX_BEHAVIOUR: Final = Choice(("exclusive", "inclusive", "unspecified"))


def make_product(call: Call, given: dict[str, Any], *, active: bool = True) -> Record:
    """Make a product."""
    body = {
        "active": active,
        "default_price": None,
        "description": given.get("description"),
        "images": given.get("images", []),
        "livemode": False,
        "marketing_features": [],
        "metadata": merged({}, given.get("metadata")),
        "name": given["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": given.get("tax_code"),
        "unit_label": given.get("unit_label"),
        "updated": call.now,
        "url": None,
    }
    return call.new("product", "prod_", body)


def make_price(
    call: Call, product: str, currency: str, amount: int, given: dict[str, Any], *, active: bool = True
) -> Record:
    """Make a price of a product."""
    body = {
        "active": active,
        "billing_scheme": "per_unit",
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": given.get("lookup_key"),
        "metadata": merged({}, given.get("metadata")),
        "nickname": given.get("nickname"),
        "product": product,
        "recurring": None,
        "tax_behavior": given.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    return call.new("price", "price_", body)


def create_product(call: Call) -> Record:
    """Make a product."""
    product = make_product(call, call.params, active=call.params.get("active", True))
    emit(call, "product.created", product)
    return product


def retrieve_product(call: Call, product_id: str) -> Record:
    """Return a product."""
    return call.find("product", product_id)


def list_products(call: Call) -> Listing:
    """Return a page of products."""
    return page(call, "product", "/v1/products")


def create_price(call: Call) -> Record:
    """Make a price."""
    params = call.params
    product = call.find("product", params["product"], param="product")
    if params["unit_amount"] < 0:
        raise malformed("Invalid non-negative integer", param="unit_amount", code="parameter_invalid_integer")
    price = make_price(call, product.id, params["currency"].lower(), params["unit_amount"], params)
    emit(call, "price.created", price)
    return price


def retrieve_price(call: Call, price_id: str) -> Record:
    """Return a price."""
    return call.find("price", price_id)


def list_prices(call: Call) -> Listing:
    """Return a page of prices."""
    return page(call, "price", "/v1/prices", equal={"product": call.params.get("product")})


PRODUCT_FIELDS: Final[dict[str, Field]] = {
    "description": Text(longest=40_000),
    "images": ListOf(Text(required=True), most=8),
    "metadata": Metadata(),
    "name": Text(required=True),
    "tax_code": Text(),
    "unit_label": Text(),
}
_PRICE: Final[dict[str, Field]] = {
    "currency": Text(required=True),
    "lookup_key": Text(longest=200),
    "metadata": Metadata(),
    "nickname": Text(),
    "product": Text(required=True),
    "tax_behavior": TAX_BEHAVIOUR,
    "unit_amount": Integer(required=True),
}
_RANGE: Final[dict[str, Field]] = {**PAGE, "created": Range()}
OPERATIONS: Final = (
    Operation("POST", "/v1/products", create_product, {**PRODUCT_FIELDS, "active": Flag()}),
    Operation("GET", "/v1/products", list_products, _RANGE),
    Operation("GET", "/v1/products/{id}", retrieve_product),
    Operation("POST", "/v1/prices", create_price, _PRICE),
    Operation("GET", "/v1/prices", list_prices, {**_RANGE, "product": Text()}),
    Operation("GET", "/v1/prices/{price}", retrieve_price),
)
