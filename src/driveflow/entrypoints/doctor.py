"""`driveflow doctor`: looks at configuration and database, and says what to do about each problem."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from driveflow.core.db import APP_ROLE, WORKER_ROLE, Database, sqlstate
from driveflow.core.settings import Settings
from driveflow.entrypoints.runtime import Addresses, StartError, refuse_dangerous_role
from driveflow.integrations.stripe_calls import (
    MissingObjectError,
    StripeFaultError,
    UnknownOutcomeError,
)
from driveflow.integrations.stripe_client import gateway_of
from driveflow.migrations import head_revision
from driveflow.models import CONTROL_PLANE, Base

OLDEST_POSTGRES = 150_000
# Insufficient privilege; and a start-up parameter that is refused, which is how a role is asked for.
_MAY_NOT_SWITCH = {"42501", "22023"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` is empty when all is well."""

    subject: str
    fact: str
    advice: str = ""


async def examine(settings: Settings, addresses: Addresses) -> list[Finding]:
    """Return the findings, in the order in which a problem should be mended."""
    findings = [_where(settings, addresses)]
    for name, url, role in (
        ("web role", addresses.app, APP_ROLE),
        ("worker role", addresses.worker, WORKER_ROLE),
    ):
        database = Database(url, role=role, pool_size=1)
        try:
            findings.append(await _role(name, database, switched=url == addresses.owner))
            if name == "web role":
                findings += await _schema(database)
        except DBAPIError as error:
            advice = "Check the address and the server."
            if sqlstate(error) in _MAY_NOT_SWITCH:
                advice = f"Let the administrator run: GRANT {role} TO the user who logs in."
            findings.append(Finding(name, f"cannot connect as {role}", advice))
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            findings.append(
                Finding(name, f"cannot connect ({type(error).__name__})", "Check the address and the server.")
            )
        finally:
            await database.dispose()
    findings.append(await _stripe(settings))
    return findings


async def _stripe(settings: Settings) -> Finding:
    """Ask Stripe for the balance, which changes nothing."""
    gateway = gateway_of(settings)
    if gateway is None:
        return Finding("Stripe", "no secret key: no payments through Stripe")
    try:
        balance = await gateway.balance()
    except (StripeFaultError, UnknownOutcomeError, MissingObjectError) as error:
        return Finding(
            "Stripe", f"does not answer ({error})", "Check DRIVEFLOW_STRIPE_SECRET_KEY and the net."
        )
    finally:
        await gateway.close()
    mode = "live" if balance["livemode"] else "test"
    secrets = (
        ("DRIVEFLOW_STRIPE_WEBHOOK_SECRETS", settings.stripe_webhook_secrets),
        ("DRIVEFLOW_STRIPE_CONNECT_WEBHOOK_SECRETS", settings.stripe_connect_webhook_secrets),
    )
    missing = [name for name, value in secrets if value is None]
    if missing:
        return Finding(
            "Stripe", f"answers, in {mode} mode", f"Set {' and '.join(missing)}: no event is believed."
        )
    return Finding("Stripe", f"answers, in {mode} mode; the secrets of both webhook endpoints are set")


def _where(settings: Settings, addresses: Addresses) -> Finding:
    if addresses.embedded:
        return Finding("database", f"embedded, in {settings.data_dir}")
    return Finding("database", "configured by DRIVEFLOW_DATABASE_URL")


async def _role(name: str, database: Database, *, switched: bool) -> Finding:
    try:
        await refuse_dangerous_role(database)
    except StartError as error:
        return Finding(name, "not bound by row-level security", str(error))
    how = "the owner's address and SET ROLE" if switched else "an address of its own"
    return Finding(name, f"bound by row-level security; connects by {how}")


async def _schema(database: Database) -> list[Finding]:
    async with database.session(None) as session:
        version = int(await session.scalar(text("SHOW server_version_num")) or 0)
        revision = None
        if await session.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
            revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
        unprotected = list(
            await session.scalars(
                text(
                    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname = ANY(:tables) "
                    "AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname"
                ),
                {"tables": sorted(set(Base.metadata.tables) - CONTROL_PLANE)},
            )
        )
    return [
        Finding(
            "PostgreSQL",
            f"version {version // 10_000}",
            "" if version >= OLDEST_POSTGRES else "DriveFlow needs PostgreSQL 15 or later.",
        ),
        Finding(
            "schema",
            f"revision {revision or 'none'}",
            "" if revision == head_revision() else f"Run `driveflow migrate` (newest: {head_revision()}).",
        ),
        Finding(
            "row-level security",
            f"missing on {', '.join(unprotected)}" if unprotected else "on every table of schools",
            "Run `driveflow migrate`; never serve in this state." if unprotected else "",
        ),
    ]
