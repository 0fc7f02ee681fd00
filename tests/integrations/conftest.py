"""Fixtures of the embedded PostgreSQL server: folders that every user may enter, and clients to kill."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driveflow.integrations.embedded_postgres import running_url, start
from support.embedded_server import Client, kill_server, open_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that every user may enter."""
    with open_folder() as made:
        yield made


@pytest.fixture(scope="session")
def stopped_cluster() -> Iterator[Path]:
    """A data directory whose cluster is made and whose server is stopped."""
    with open_folder() as made:
        with start(made / "data"):
            pass
        yield made / "data"


@pytest.fixture
def data_dir(stopped_cluster: Path) -> Iterator[Path]:
    """The same data directory; the test must leave its server stopped."""
    yield stopped_cluster
    left_running = running_url(stopped_cluster)
    if left_running is not None:
        kill_server(stopped_cluster)
    assert left_running is None


@pytest.fixture
def new_client() -> Iterator[Callable[[Path], Client]]:
    """A function that starts clients, which do not outlive the test."""
    clients: list[Client] = []

    def make(data_dir: Path) -> Client:
        clients.append(Client(data_dir))
        return clients[-1]

    yield make
    for client in clients:
        if client.process.returncode is None:
            client.kill()
