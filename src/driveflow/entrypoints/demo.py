"""`driveflow demo`: everything in one process tree, with a school that has a past and a future."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from driveflow.core.clock import utc_now
from driveflow.core.settings import Settings
from driveflow.entrypoints.migrate import migrate
from driveflow.entrypoints.runtime import Addresses
from driveflow.entrypoints.serving import serve
from driveflow.sandbox.demo_rows import ORG_SLUG
from driveflow.sandbox.demo_school import fill_demo_school
from driveflow.sandbox.seed import seed


async def run_demo(settings: Settings, addresses: Addresses, out: Console) -> None:
    """Migrate, fill, serve with a worker inside; ends on Ctrl-C."""
    await migrate(addresses.owner)
    await _fill(addresses, out)

    def ready(url: str) -> None:
        out.print(f"\nDriveFlow's demo school is open: [bold]{url}[/]  (API reference: {url}/api/docs)")
        out.print("Get a key for it in another terminal:", highlight=False)
        out.print(f"  .venv/bin/driveflow apikey --org {ORG_SLUG} --role owner", highlight=False)
        out.print("Stop with Ctrl-C; everything is kept.", highlight=False)

    await serve(settings, addresses, with_worker=True, on_ready=ready)


async def _fill(addresses: Addresses, out: Console) -> None:
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

            await fill_demo_school(database, now=now, progress=progress)
    finally:
        await database.dispose()
