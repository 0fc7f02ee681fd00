"""The command line `driveflow`: start, migrate, seed, operate."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer
from rich.console import Console

from driveflow import __version__
from driveflow.core.collector import collector_paused
from driveflow.core.errors import DriveFlowError, OperatorError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from driveflow.core.settings import Settings

# The rest is imported by the command that needs it: `driveflow --help` and a wrong setting answer at once.
# ruff: noqa: PLC0415

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Runs a driving school."
)
outbox_app = typer.Typer(no_args_is_help=True, help="Look at the queue of events and mend it.")
app.add_typer(outbox_app, name="outbox")
webhooks_app = typer.Typer(no_args_is_help=True, help="Mend what Stripe's events have told.")
app.add_typer(webhooks_app, name="webhooks")

out = Console()
err = Console(stderr=True)

Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")]


def main() -> None:
    """Run the command line; expected failures end it with one line and exit code 1."""
    try:
        app()
    except (OperatorError, DriveFlowError) as error:
        err.print(f"driveflow: {error}", style="red", markup=False, highlight=False)
        sys.exit(1)
    except OSError as error:
        err.print(f"driveflow: cannot reach the database: {error}", style="red", markup=False)
        sys.exit(1)


def _settings(**overrides: object) -> "Settings":
    from driveflow.core.logging import configure_logging
    from driveflow.core.settings import load_settings

    settings = load_settings(**{name: value for name, value in overrides.items() if value is not None})
    configure_logging(settings)
    return settings


def _run(work: "Coroutine[object, object, None]") -> None:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        asyncio.run(work)
    else:
        uvloop.run(work)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__, highlight=False)


@app.command()
def demo(port: Port = None) -> None:
    """Start everything with a lively demo school, on this machine only."""
    with collector_paused():
        from driveflow.entrypoints.demo import run_demo
        from driveflow.entrypoints.runtime import database_addresses

    settings = _settings(port=port, host="127.0.0.1")
    with database_addresses(settings) as addresses:
        _run(run_demo(settings, addresses, out))


@app.command()
def serve(
    port: Port = None, host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None
) -> None:
    """Serve the API."""
    with collector_paused():
        from driveflow.entrypoints.runtime import database_addresses
        from driveflow.entrypoints.serving import serve as run

    settings = _settings(port=port, host=host)
    with database_addresses(settings) as addresses:
        _run(
            run(
                settings,
                addresses,
                on_ready=lambda url: err.print(f"DriveFlow answers on {url}", highlight=False),
            )
        )


@app.command()
def worker(
    once: Annotated[bool, typer.Option(help="Stop when nothing is due.")] = False,  # noqa: FBT002 - typer's form of a flag
    metrics_port: Annotated[int | None, typer.Option(help="Serve metrics on this port of 127.0.0.1.")] = None,
) -> None:
    """Handle events: run as many of these as you like."""
    with collector_paused():
        from driveflow.entrypoints.runtime import database_addresses
        from driveflow.entrypoints.serving import work

    settings = _settings()
    with database_addresses(settings) as addresses:
        _run(work(settings, addresses, once=once, metrics_port=metrics_port))


@app.command()
def migrate(
    check: Annotated[bool, typer.Option(help="Change nothing; compare with the models.")] = False,  # noqa: FBT002 - typer's form of a flag
) -> None:
    """Bring the database to the newest schema."""
    from driveflow.entrypoints.migrate import migrate as run
    from driveflow.entrypoints.migrate import pending_changes
    from driveflow.entrypoints.runtime import database_addresses

    settings = _settings()
    with database_addresses(settings) as addresses:
        if not check:
            out.print(f"The database is at revision {asyncio.run(run(addresses.owner))}.", highlight=False)
            return
        changes = asyncio.run(pending_changes(addresses.owner))
    for change in changes:
        err.print(str(change), markup=False)
    if changes:
        sys.exit(1)
    out.print("Models and migrations agree.")


@app.command()
def seed(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:  # noqa: FBT002 - typer's form of a flag
    """Make the demo rows of the schema document, and print their ids."""
    from driveflow.core.clock import utc_now
    from driveflow.entrypoints.migrate import migrate as run_migrations
    from driveflow.entrypoints.runtime import Addresses, database_addresses
    from driveflow.sandbox.seed import seed as make
    from driveflow.sandbox.seed import seed_json

    async def run(addresses: Addresses) -> dict[str, dict[str, object]]:
        await run_migrations(addresses.owner)
        database = addresses.web_database(pool_size=1)
        try:
            return seed_json(await make(database, now=utc_now()))
        finally:
            await database.dispose()

    settings = _settings()
    with database_addresses(settings) as addresses:
        rows = asyncio.run(run(addresses))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for kind, row in rows.items():
        label = row.get("name") or row.get("full_name") or row.get("display_name")
        out.print(f"{kind:<11} {row['id']}  {label}", highlight=False)


@app.command(name="create-org")
def create_org(
    name: Annotated[str, typer.Argument(help="Name of the school.")],
    owner_email: Annotated[str, typer.Option(help="E-mail of its owner.")],
    owner_name: Annotated[str | None, typer.Option(help="Name of its owner.")] = None,
    slug: Annotated[
        str | None, typer.Option(help="Short name in addresses; made of the name if left out.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA name, such as Australia/Sydney.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code, such as AUD.")] = None,
) -> None:
    """Open a school, and print its id, its slug and its owner's first API key."""
    from driveflow.entrypoints.keys import make_school
    from driveflow.entrypoints.runtime import database_addresses

    settings = _settings()
    with database_addresses(settings) as addresses:
        made = asyncio.run(
            make_school(
                addresses,
                name=name,
                slug=slug,
                time_zone=time_zone,
                currency=currency,
                owner_email=owner_email,
                owner_name=owner_name,
            )
        )
    typer.echo(f"id    {made.org.id}\nslug  {made.org.slug}\nkey   {made.api_key}")


@app.command()
def apikey(
    org: Annotated[str, typer.Option(help="Slug of the school.")],
    role: Annotated[Literal["owner", "admin", "instructor", "student", "guardian"], typer.Option()],
    instructor: Annotated[UUID | None, typer.Option(help="Id, for role instructor.")] = None,
    student: Annotated[UUID | None, typer.Option(help="Id, for role student.")] = None,
    guardian: Annotated[UUID | None, typer.Option(help="Id, for role guardian.")] = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "Command line",
) -> None:
    """Print a new API key of a school."""
    from driveflow.entrypoints.keys import make_key
    from driveflow.entrypoints.runtime import database_addresses

    settings = _settings()
    with database_addresses(settings) as addresses:
        secret = asyncio.run(
            make_key(
                addresses,
                slug=org,
                role=role,
                name=name,
                instructor_id=instructor,
                student_id=student,
                guardian_id=guardian,
            )
        )
    typer.echo(secret)


@app.command(name="database-url")
def database_url(role: Annotated[Literal["owner", "app", "worker"], typer.Option()] = "owner") -> None:
    """Print the connection address in use, for psql and backups."""
    from driveflow.entrypoints.runtime import StartError
    from driveflow.integrations import embedded_postgres

    settings = _settings()
    configured = {
        "owner": settings.database_url,
        "app": settings.app_database_url or settings.database_url,
        "worker": settings.worker_database_url or settings.database_url,
    }[role]
    if configured is None:
        configured = embedded_postgres.running_url(Path(settings.data_dir).resolve())
        if configured is None:
            raise StartError(
                "The embedded database does not run; start `driveflow demo` or `driveflow serve`."
            )
        if role != "owner":
            configured += f"?options=-crole%3Ddriveflow_{role}"
    typer.echo(configured)


@app.command()
def doctor() -> None:
    """Look at configuration and database; say what to do about each problem."""
    from driveflow.entrypoints.doctor import examine
    from driveflow.entrypoints.doctor_messages import examine_messages
    from driveflow.entrypoints.runtime import database_addresses

    settings = _settings()
    with database_addresses(settings) as addresses:
        findings = [*asyncio.run(examine(settings, addresses)), *asyncio.run(examine_messages(settings))]
    for finding in findings:
        mark = "[red]problem[/]" if finding.advice else "[green]ok[/]     "
        out.print(f"{mark} {finding.subject}: {finding.fact}", highlight=False)
        if finding.advice:
            out.print(f"        {finding.advice}", highlight=False)
    if any(finding.advice for finding in findings):
        sys.exit(1)


@app.command()
def reconcile(
    org: Annotated[str | None, typer.Option(help="Slug of one school; all if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002 - typer's form of a flag
) -> None:
    """Compare the ledger with Stripe, and name each difference; exit code 1 when there is any."""
    from dataclasses import asdict

    from driveflow.core.clock import utc_now
    from driveflow.entrypoints.reconcile import reconcile as run
    from driveflow.entrypoints.runtime import database_addresses

    settings = _settings()
    with database_addresses(settings) as addresses, err.status("Reading the books ...") as status:
        steps: dict[str, int] = {}

        def on_step(what: str) -> None:
            steps[what] = steps.get(what, 0) + 1
            status.update(f"Reading {what} ({steps[what]}) ...")

        report = asyncio.run(run(settings, addresses, slug=org, now=utc_now(), on_step=on_step))
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
    else:
        for one in report.differences:
            typer.echo(f"{one.school or 'all schools'}: {one.kind.replace('_', ' ')}: {one.sentence}")
        against = f"{report.moves} objects at Stripe" if report.moves is not None else "Stripe is not set up"
        number = len(report.differences) or "No"
        typer.echo(f"{number} differences; schools: {report.schools}, {against}.")
    if report.differences:
        sys.exit(1)


State = Literal["pending", "dead"]


@outbox_app.command("list")
def outbox_list(
    state: Annotated[State, typer.Option(help="Which events.")] = "pending",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
) -> None:
    """List events that wait, or that were given up."""
    from rich.table import Table

    from driveflow.entrypoints.queue_tools import list_events
    from driveflow.entrypoints.runtime import database_addresses

    settings = _settings()
    with database_addresses(settings) as addresses:
        rows = asyncio.run(list_events(addresses, dead=state == "dead", limit=limit))
    if not rows:
        out.print(f"No {state} events.")
        return
    table = Table("id", "school", "topic", "attempts", "available at", "last error")
    for row in rows:
        table.add_row(
            str(row.id),
            str(row.org_id),
            row.topic,
            str(row.attempts),
            row.available_at.isoformat(timespec="seconds"),
            row.last_error or "",
        )
    out.print(table)


@outbox_app.command("dead")
def outbox_dead(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50) -> None:
    """List events that were given up."""
    outbox_list("dead", limit)


@outbox_app.command("retry")
def outbox_retry(event_id: UUID) -> None:
    """Try an event again that was given up."""
    from driveflow.entrypoints.queue_tools import retry_event
    from driveflow.entrypoints.runtime import database_addresses

    settings = _settings()
    with database_addresses(settings) as addresses:
        asyncio.run(retry_event(addresses, event_id))
    out.print("The event will be tried again.")


_SINCE = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@webhooks_app.command("replay")
def webhooks_replay(
    event_id: Annotated[UUID | None, typer.Argument(help="One stored event.")] = None,
    failed: Annotated[bool, typer.Option(help="Those that came to nothing so far.")] = False,  # noqa: FBT002 - typer's form of a flag
    since: Annotated[datetime | None, typer.Option(help="All received since (UTC).", formats=_SINCE)] = None,
) -> None:
    """Look again at what stored events are about; the worker does it."""
    from driveflow.entrypoints.runtime import database_addresses
    from driveflow.entrypoints.webhook_tools import replay

    if sum([event_id is not None, failed, since is not None]) != 1:
        raise OperatorError("Say what to replay: an id, --failed or --since.")
    settings = _settings()
    with database_addresses(settings) as addresses:
        done = asyncio.run(replay(addresses, event_id=event_id, failed_only=failed, since=_utc(since)))
    out.print(f"{done.looked_at} events will be looked at again, {done.left_alone} left alone.")


@webhooks_app.command("backfill")
def webhooks_backfill(
    since: Annotated[
        datetime | None, typer.Option(help="From this time on (UTC), at most 30 days.", formats=_SINCE)
    ] = None,
) -> None:
    """Fetch Stripe's events that its webhooks did not bring."""
    from driveflow.entrypoints.runtime import database_addresses
    from driveflow.entrypoints.webhook_tools import backfill_by_command

    settings = _settings()
    with database_addresses(settings) as addresses:
        done = asyncio.run(backfill_by_command(settings, addresses, since=_utc(since)))
    out.print(f"Stripe told {done.told} events, {done.new} of them new.")


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None else None
