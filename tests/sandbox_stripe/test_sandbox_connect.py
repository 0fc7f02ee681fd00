"""Connected accounts: their onboarding, transfers to them, and what is taken back."""

import pytest
import stripe

from support.stripe_money import charge_of, event_types, open_account, pay
from support.stripe_sandbox import StripeSandbox, stripe_sandbox

BACK = "https://school.example/onboarded"
AGAIN = "https://school.example/again"


def link_for(client: stripe.StripeClient, account: str) -> str:
    return client.v1.account_links.create(
        {"account": account, "type": "account_onboarding", "return_url": BACK, "refresh_url": AGAIN}
    ).url


def test_onboarding_makes_an_account_ready(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    account_id = open_account(sandbox, client, onboarded=False)
    account = client.v1.accounts.retrieve(account_id)
    assert (account.details_submitted, account.payouts_enabled) == (False, False)
    assert account.capabilities is not None
    assert account.capabilities.transfers == "inactive"
    assert account.requirements is not None
    assert account.requirements.currently_due
    url = link_for(client, account_id)
    assert "Complete onboarding" in sandbox.browser.get(url).text
    answer = sandbox.onboard(url)
    assert (answer.status_code, answer.headers["location"]) == (303, BACK)
    account = client.v1.accounts.retrieve(account_id)
    assert (account.details_submitted, account.payouts_enabled) == (True, True)
    assert account.capabilities is not None
    assert account.capabilities.transfers == "active"
    assert event_types(client, account_id) == ["account.updated"]
    assert "account.updated" not in event_types(client)


def test_a_link_is_used_once(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    url = link_for(client, open_account(sandbox, client, onboarded=False))
    sandbox.onboard(url)
    assert sandbox.browser.get(url).headers["location"] == AGAIN
    assert sandbox.onboard(url).headers["location"] == AGAIN


def test_a_link_is_soon_over(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    account_id = open_account(own_sandbox, client, onboarded=False)
    url = link_for(client, account_id)
    own_sandbox.control.advance_clock(301)
    assert own_sandbox.onboard(url).headers["location"] == AGAIN
    assert not client.v1.accounts.retrieve(account_id).details_submitted


def test_an_account_can_be_restricted_and_restored(
    sandbox: StripeSandbox, client: stripe.StripeClient
) -> None:
    account_id = open_account(sandbox, client)
    assert sandbox.control.act("accounts", account_id, "restrict")["capabilities"] == {
        "transfers": "inactive"
    }
    assert sandbox.control.act("accounts", account_id, "restore")["payouts_enabled"] is True
    assert event_types(client, account_id) == ["account.updated"] * 3


def test_an_unknown_account_is_refused_as_foreign(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.PermissionError) as refused:
        client.v1.accounts.retrieve("acct_nobody")
    assert refused.value.error is not None
    assert refused.value.error.code == "account_invalid"


def test_a_transfer_out_of_a_charge_needs_no_available_balance(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    account = open_account(own_sandbox, client)
    charge = charge_of(client, pay(client, transfer_group="booking_b1"))
    transfer = client.v1.transfers.create(
        {
            "amount": 8000,
            "currency": "aud",
            "destination": account,
            "source_transaction": charge.id,
            "metadata": {"payout_id": "p1"},
        }
    )
    assert (transfer.transfer_group, transfer.source_transaction) == ("booking_b1", charge.id)
    balances = own_sandbox.control.totals()["accounts"]
    assert balances["platform"]["aud"]["balance"] == 1800
    assert balances[account]["aud"] == {
        "available": 0,
        "pending": 8000,
        "balance": 8000,
        "fees": 0,
        "sums": {"payment": 8000},
    }
    assert event_types(client)[-1] == "transfer.created"
    own_sandbox.control.advance_clock(2 * 86_400)
    held = client.v1.balance.retrieve({}, {"stripe_account": account})
    assert [amount.amount for amount in held.available] == [8000]


def test_a_charge_is_not_transferred_twice(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    account = open_account(sandbox, client)
    charge = charge_of(client, pay(client))
    for amount in (6000, 4000):
        client.v1.transfers.create(
            {"amount": amount, "currency": "aud", "destination": account, "source_transaction": charge.id}
        )
    with pytest.raises(stripe.InvalidRequestError, match="must not exceed the source amount"):
        client.v1.transfers.create(
            {"amount": 1, "currency": "aud", "destination": account, "source_transaction": charge.id}
        )


def test_a_transfer_without_a_charge_needs_available_balance(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    account = open_account(own_sandbox, client)
    pay(client)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.transfers.create({"amount": 1000, "currency": "aud", "destination": account})
    assert refused.value.code == "balance_insufficient"
    pay(client, "pm_card_bypassPending", amount=2000)
    assert (
        client.v1.transfers.create({"amount": 1000, "currency": "aud", "destination": account}).amount == 1000
    )


def test_who_is_not_onboarded_receives_nothing(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    account = open_account(sandbox, client, onboarded=False)
    charge = charge_of(client, pay(client))
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.transfers.create(
            {"amount": 1000, "currency": "aud", "destination": account, "source_transaction": charge.id}
        )
    assert refused.value.code == "insufficient_capabilities_for_transfer"


def test_a_transfer_to_nobody_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.transfers.create({"amount": 1000, "currency": "aud", "destination": "acct_nobody"})
    assert (refused.value.code, refused.value.param) == ("resource_missing", "destination")


def transferred(sandbox: StripeSandbox, client: stripe.StripeClient, amount: int = 8000) -> stripe.Transfer:
    charge = charge_of(client, pay(client))
    return client.v1.transfers.create(
        {
            "amount": amount,
            "currency": "aud",
            "destination": open_account(sandbox, client),
            "source_transaction": charge.id,
        }
    )


def test_reversals_add_up_to_the_transfer_at_most(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    transfer = transferred(own_sandbox, client)
    first = client.v1.transfers.reversals.create(
        transfer.id, {"amount": 3000, "metadata": {"refund_id": "r"}}
    )
    with pytest.raises(stripe.InvalidRequestError, match=r"\$50\.01.*\$50\.00"):
        client.v1.transfers.reversals.create(transfer.id, {"amount": 5001})
    client.v1.transfers.reversals.create(transfer.id)
    reversed_ = client.v1.transfers.retrieve(transfer.id)
    assert (reversed_.amount_reversed, reversed_.reversed) == (8000, True)
    assert reversed_.reversals.data[-1].id == first.id
    with pytest.raises(stripe.InvalidRequestError, match="already fully reversed"):
        client.v1.transfers.reversals.create(transfer.id, {"amount": 1})
    balances = own_sandbox.control.totals()["accounts"]
    assert balances["platform"]["aud"]["balance"] == 9800
    assert balances[transfer.destination]["aud"]["balance"] == 0
    assert event_types(client)[-2:] == ["transfer.reversed"] * 2


def test_what_an_account_has_paid_out_cannot_be_taken_back(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    transfer = transferred(own_sandbox, client)
    own_sandbox.control.act("accounts", str(transfer.destination), "pay-out", amount=7000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.transfers.reversals.create(transfer.id, {"amount": 1001})
    assert refused.value.code == "balance_insufficient"
    assert client.v1.transfers.reversals.create(transfer.id, {"amount": 1000}).amount == 1000


def test_reserves_let_an_account_owe() -> None:
    with stripe_sandbox(connected_reserves=True) as sandbox:
        client = sandbox.client()
        transfer = transferred(sandbox, client)
        sandbox.control.act("accounts", str(transfer.destination), "pay-out")
        client.v1.transfers.reversals.create(transfer.id)
        assert sandbox.control.totals()["accounts"][transfer.destination]["aud"]["balance"] == -8000
        movements = client.v1.balance_transactions.list(
            {"expand": ["data.source"]}, {"stripe_account": str(transfer.destination)}
        )
        assert [movement.type for movement in movements.data] == ["payment_refund", "payout", "payment"]
