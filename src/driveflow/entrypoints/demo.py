"""`driveflow demo`: everything in one process tree, with a school that has a past and a future."""

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from driveflow.core.clock import utc_now
from driveflow.core.settings import Settings
from driveflow.entrypoints.migrate import migrate
from driveflow.entrypoints.runtime import Addresses
from driveflow.entrypoints.sandbox_servers import SandboxServers, sandbox_servers
from driveflow.entrypoints.serving import serve
from driveflow.sandbox.demo_rows import ORG_SLUG
from driveflow.sandbox.demo_school import fill_demo_school
from driveflow.sandbox.seed import seed


async def run_demo(settings: Settings, addresses: Addresses, out: Console) -> None:
    """Migrate, fill, serve with a worker inside; ends on Ctrl-C."""
    await migrate(addresses.owner)
    if await _fill(addresses, out):
        await _checkpoint(addresses)

    async with sandbox_servers(settings) as sandbox:
        await _serve(sandbox, addresses, out)


async def _serve(sandbox: SandboxServers, addresses: Addresses, out: Console) -> None:
    def ready(url: str) -> None:
        out.print(f"\nDriveFlow's demo school is open: [bold]{url}[/]  (API reference: {url}/api/docs)")
        out.print(f"Mail and text messages that it sends: {sandbox.mailbox_url}", highlight=False)
        out.print(
            "Payments go to a stand-in for Stripe; pay with the card 4242 4242 4242 4242.", highlight=False
        )
        out.print("Get a key for it in another terminal:", highlight=False)
        out.print(f"  .venv/bin/driveflow apikey --org {ORG_SLUG} --role owner", highlight=False)
        out.print("Stop with Ctrl-C; everything is kept.", highlight=False)

    await serve(sandbox.settings, addresses, with_worker=True, on_ready=ready)


async def _checkpoint(addresses: Addresses) -> None:
    """Write the new school to its place, so that a start after kill -9 has nothing to recover."""
    connection = await asyncpg.connect(addresses.owner)
    try:
        await connection.execute("CHECKPOINT")
    except asyncpg.InsufficientPrivilegeError:
        return  # a configured server's own checkpoints do
    finally:
        await connection.close()


async def _fill(addresses: Addresses, out: Console) -> bool:
    """Make the demo rows that are missing; return whether the school is new."""
    database = addresses.web_database(pool_size=1)
    now = utc_now()
    try:
        await seed(database, now=now)
        with Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=out, transient=True
        ) as bar:
            task = bar.add_task("Demo school", total=None)

            def progress(done: int, total: int, what: str) -> None:
                bar.update(task, completed=done, total=total, description=what)

            return (await fill_demo_school(database, now=now, progress=progress)).is_new
    finally:
        await database.dispose()
