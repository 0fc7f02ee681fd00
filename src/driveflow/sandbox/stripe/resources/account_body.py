"""How a connected account looks when it is new, and what it owes to Stripe before it can be paid."""

from typing import Any, Final

from driveflow.sandbox.stripe.call import Call, merged
from driveflow.sandbox.stripe.lists import embedded

_CURRENCIES: Final = {"AU": "aud", "NZ": "nzd", "US": "usd", "GB": "gbp", "CA": "cad", "SG": "sgd"}
_DUE: Final = (
    "business_profile.mcc",
    "business_profile.url",
    "business_type",
    "external_account",
    "individual.dob.day",
    "individual.dob.month",
    "individual.dob.year",
    "individual.first_name",
    "individual.last_name",
    "tos_acceptance.date",
    "tos_acceptance.ip",
)


def requirements(due: list[str]) -> dict[str, Any]:
    """Return what an account must hand in, all of it overdue."""
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": due,
        "disabled_reason": "requirements.past_due" if due else None,
        "errors": [],
        "eventually_due": due,
        "past_due": due,
        "pending_verification": [],
    }


def account_body(call: Call, account_id: str, kind: str, capabilities: dict[str, str]) -> dict[str, Any]:
    """Return a new account of a kind (express, standard)."""
    params = call.params
    country = params.get("country", call.settings.country)
    profile = params.get("business_profile", {})
    return {
        "id": account_id,
        "business_profile": {
            "annual_revenue": None,
            "estimated_worker_count": None,
            "mcc": profile.get("mcc"),
            "minority_owned_business_designation": None,
            "name": profile.get("name"),
            "product_description": profile.get("product_description"),
            "support_address": None,
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": profile.get("url"),
        },
        "business_type": params.get("business_type"),
        "capabilities": capabilities,
        "charges_enabled": False,
        "controller": _controller(kind),
        "country": country,
        "default_currency": _CURRENCIES.get(country, call.settings.currency),
        "details_submitted": False,
        "email": params.get("email"),
        "external_accounts": embedded(f"/v1/accounts/{account_id}/external_accounts", []),
        "future_requirements": requirements([]),
        "groups": {"payments_pricing": None},
        "metadata": merged({}, params.get("metadata")),
        "payouts_enabled": False,
        "requirements": requirements(list(_DUE)),
        "settings": _settings(params),
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": kind,
    }


def _controller(kind: str) -> dict[str, Any]:
    if kind == "standard":
        return {
            "type": "application",
            "is_controller": True,
            "fees": {"payer": "account"},
            "losses": {"payments": "stripe"},
            "requirement_collection": "stripe",
            "stripe_dashboard": {"type": "full"},
        }
    return {
        "type": "application",
        "is_controller": True,
        "fees": {"payer": "application_express"},
        "losses": {"payments": "application"},
        "requirement_collection": "stripe",
        "stripe_dashboard": {"type": "express"},
    }


def _settings(params: dict[str, Any]) -> dict[str, Any]:
    schedule = params.get("settings", {}).get("payouts", {}).get("schedule", {})
    return {
        "bacs_debit_payments": {"display_name": None, "service_user_number": None},
        "branding": dict.fromkeys(("icon", "logo", "primary_color", "secondary_color")),
        "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": None, "timezone": "Etc/UTC"},
        "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "never"},
        "payments": dict.fromkeys(
            (
                "statement_descriptor",
                "statement_descriptor_kana",
                "statement_descriptor_kanji",
            )
        ),
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 2, "interval": schedule.get("interval", "daily")},
            "statement_descriptor": None,
        },
        "sepa_debit_payments": {},
    }
