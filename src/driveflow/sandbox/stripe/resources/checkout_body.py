"""How a checkout session and the lines of its bill look when they are new."""

from typing import Any

from driveflow.sandbox.stripe.call import Call, merged
from driveflow.sandbox.stripe.errors import malformed
from driveflow.sandbox.stripe.expansion import present
from driveflow.sandbox.stripe.resources import products
from driveflow.sandbox.stripe.store import Record


def bill_line(call: Call, line: dict[str, Any], at: int) -> dict[str, Any]:
    """Return a line of the bill as the API shows it; raise StripeError for one without a price."""
    param = f"line_items[{at}]"
    if "price" in line:
        price = call.find("price", line["price"], param=f"{param}[price]")
        product = call.store.get("product", price.body["product"])
    else:
        if "price_data" not in line:
            raise malformed(
                f"Missing required param: {param}[price].", param=f"{param}[price]", code="parameter_missing"
            )
        price, product = _priced(call, line["price_data"], f"{param}[price_data]")
    quantity = line.get("quantity", 1)
    amount = price.body["unit_amount"] * quantity
    return {
        "id": call.store.new_id("li_"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price.body["currency"],
        "description": product.body["name"],
        "metadata": line.get("metadata") or {},
        "price": present(call, price),
        "quantity": quantity,
    }


def _priced(call: Call, data: dict[str, Any], param: str) -> tuple[Record, Record]:
    if ("product" in data) == ("product_data" in data):
        raise malformed(f"You must specify either `product` or `product_data` in {param}.", param=param)
    if "product" in data:
        product = call.find("product", data["product"], param=f"{param}[product]")
    else:
        product = products.make_product(call, data["product_data"], active=False)
    price = products.make_price(
        call, product.id, data["currency"].lower(), data["unit_amount"], data, active=False
    )
    return price, product


def session_body(call: Call, session_id: str, currency: str, total: int, expires_at: int) -> dict[str, Any]:
    """Return a new, open session as the API shows it."""
    params = call.params
    return {
        "id": session_id,
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
        ),
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": "if_required",
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": expires_at,
        "invoice": None,
        "invoice_creation": {
            "enabled": False,
            "invoice_data": {
                "account_tax_ids": None,
                "custom_fields": None,
                "description": None,
                "footer": None,
                "issuer": None,
                "metadata": {},
                "rendering_options": None,
            },
        },
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": merged({}, params.get("metadata")),
        "mode": "payment",
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": params.get("payment_method_types", ["card"]),
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{call.base_url}/pay/{session_id}",
        "wallet_options": None,
    }
