"""`driveflow reconcile`: reads the books of all schools and Stripe's statement, and returns what differs."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from driveflow.core.actor import system_actor
from driveflow.core.db import WORKER_ROLE, Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.runtime import Addresses
from driveflow.integrations.stripe_client import StripeGateway, gateway_of
from driveflow.orgs import service as orgs
from driveflow.orgs.models import Org
from driveflow.payouts import checking
from driveflow.payouts.reconciling import (
    GRACE,
    Books,
    Difference,
    Statement,
    StatementBuilder,
    compare_balance,
    compare_with_stripe,
    compare_within,
)

OnStep = Callable[[str], None]
"""Is told what is being read, for a progress bar."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared, and what differs; `moves` is None when Stripe was not asked."""

    differences: list[Difference]
    schools: int
    moves: int | None


async def reconcile(
    settings: Settings,
    addresses: Addresses,
    *,
    slug: str | None,
    now: datetime,
    grace: timedelta = GRACE,
    on_step: OnStep,
) -> Report:
    """Compare the books of all schools, or of one, with Stripe and within; changes nothing.

    Without a key for Stripe only the books are looked at. Raises NotFoundError for an unknown school,
    StripeFaultError and UnknownOutcomeError while Stripe does not answer.
    """
    async with AsyncExitStack() as stack:
        database = Database(addresses.worker, role=WORKER_ROLE, pool_size=1)
        stack.push_async_callback(database.dispose)
        gateway = gateway_of(settings)
        if gateway is not None:
            stack.push_async_callback(gateway.close)
        async with database.session(None) as session:
            by_slug = [await orgs.find_by_slug(session, slug)] if slug is not None else None
            wanted = by_slug if by_slug is not None else await orgs.list_everywhere(session)
        books = [await _books_of(database, org, now=now, on_step=on_step) for org in wanted]
        # Stripe is read last: what the books know then is there, and what is newer there is young.
        statements = await read_statements(gateway, on_step=on_step) if gateway is not None else None
    differences = [
        found
        for by_currency in books
        for book in by_currency.values()
        for found in compare_within(book, now=now)
    ]
    if statements is not None:
        differences += _against(statements, books, whole=slug is None, now=now, grace=grace)
    return Report(
        differences,
        len(wanted),
        None if statements is None else sum(len(statement.moved) for statement in statements.values()),
    )


async def read_statements(gateway: StripeGateway, *, on_step: OnStep) -> dict[str, Statement]:
    """Return Stripe's statement by currency."""
    builders: dict[str, StatementBuilder] = {}
    async for transaction in gateway.balance_transactions():
        builders.setdefault(transaction["currency"].upper(), StatementBuilder()).add(transaction)
        on_step("Stripe's moves")
    held: dict[str, int] = {}
    balance = await gateway.balance()
    for part in [*balance["available"], *balance["pending"]]:
        currency = part["currency"].upper()
        held[currency] = held.get(currency, 0) + part["amount"]
    return {
        currency: builders.get(currency, StatementBuilder()).statement(held.get(currency, 0))
        for currency in {*builders, *held}
    }


async def _books_of(database: Database, org: Org, *, now: datetime, on_step: OnStep) -> dict[str, Books]:
    actor = system_actor(org.id)
    earnings = []
    after = None
    while True:
        async with database.session(org.id) as session:
            found, after = await checking.check_earnings(session, actor, after=after, now=now)
        earnings += found
        on_step(org.slug)
        if after is None:
            break
    async with database.session(org.id) as session:
        return await checking.books_of(session, actor, org.slug, earnings=earnings)


def _against(
    statements: dict[str, Statement],
    books: list[dict[str, Books]],
    *,
    whole: bool,
    now: datetime,
    grace: timedelta,
) -> list[Difference]:
    differences: list[Difference] = []
    for currency in sorted({*statements, *(currency for by_currency in books for currency in by_currency)}):
        statement = statements.get(currency) or StatementBuilder().statement(0)
        in_currency = [by_currency[currency] for by_currency in books if currency in by_currency]
        differences += compare_with_stripe(in_currency, statement, now=now, grace=grace, whole=whole)
        if whole:
            differences += compare_balance(statement)
    return differences
