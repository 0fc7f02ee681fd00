"""All that the API can be asked, and all that happens by itself."""

from itertools import chain
from typing import Final

from driveflow.sandbox.stripe.payment_flow import DEBIT_TIMER, finish_debit
from driveflow.sandbox.stripe.resources import (
    account_links,
    accounts,
    balance_transactions,
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    payment_intents,
    payment_methods,
    payment_pages,
    products,
    refunds,
    transfer_reversals,
    transfers,
)
from driveflow.sandbox.stripe.timers import Action

OPERATIONS: Final = tuple(
    chain.from_iterable(
        resource.OPERATIONS
        for resource in (
            account_links,
            accounts,
            balance_transactions,
            charges,
            checkout_sessions,
            customers,
            disputes,
            events,
            payment_intents,
            payment_methods,
            payment_pages,
            products,
            refunds,
            transfer_reversals,
            transfers,
        )
    )
)
TIMER_ACTIONS: Final[dict[str, Action]] = {
    checkout_sessions.EXPIRY_TIMER: checkout_sessions.expire_due,
    refunds.OUTCOME_TIMER: refunds.settle,
    DEBIT_TIMER: finish_debit,
}
