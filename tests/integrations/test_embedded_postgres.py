import asyncio
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from driveflow.integrations import embedded_postgres_cluster as cluster
from driveflow.integrations import embedded_postgres_processes as processes
from driveflow.integrations.embedded_postgres import running_url, start
from support.embedded_server import CLIENT, Client, kill_server, postmaster_pid, query


def test_the_address_names_the_database_until_the_server_is_released(data_dir: Path) -> None:
    server = start(data_dir)
    pid = postmaster_pid(data_dir)
    assert query(server.url(), "SELECT current_database()::text") == ["driveflow"]
    assert query(server.url("postgres"), "SELECT current_database()::text") == ["postgres"]
    assert running_url(data_dir) == server.url()
    server.release()
    assert processes.find_process(pid) is None
    assert running_url(data_dir) is None
    server.release()


def test_nothing_runs_where_nothing_was_ever_started(tmp_path: Path) -> None:
    assert running_url(tmp_path / "nothing") is None
    assert not (tmp_path / "nothing").exists()


def test_a_later_start_is_quick_and_keeps_the_address_and_the_data(data_dir: Path) -> None:
    with start(data_dir) as server:
        address = server.url()
        query(address, "CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS answer")
    began = time.monotonic()
    with start(data_dir) as server:
        assert time.monotonic() - began < 2
        assert server.url() == address
        assert query(address, "SELECT answer FROM kept") == [42]


def test_the_server_has_the_settings_that_driveflow_relies_on(data_dir: Path) -> None:
    with start(data_dir) as server:
        wanted = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on",
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "max_connections": "200",
            "password_encryption": "scram-sha-256",
        }
        for name, value in wanted.items():
            assert query(server.url(), f"SHOW {name}") == [value], name
        assert query(server.url(), "SELECT lower('ÄÉ') || upper('ñ')") == ["äéÑ"]
        assert query(server.url(), "CREATE EXTENSION IF NOT EXISTS btree_gist") == []


def test_a_wrong_password_or_none_is_refused(data_dir: Path) -> None:
    with start(data_dir) as server:
        parts = urlsplit(server.url())
        assert parts.password is not None
        assert len(parts.password) >= 32
        for credentials in ("postgres:wrong", "postgres:"):
            address = parts._replace(netloc=f"{credentials}@127.0.0.1:{parts.port}").geturl()
            with pytest.raises(asyncpg.InvalidPasswordError):
                query(address, "SELECT 1")
    assert stat.S_IMODE((data_dir / "postgres" / "password").stat().st_mode) == 0o600


def test_it_starts_from_within_a_running_event_loop(data_dir: Path) -> None:
    async def serve() -> str:
        server = await asyncio.to_thread(start, data_dir)
        try:
            connection = await asyncpg.connect(server.url(), ssl=False)
            answer: str = await connection.fetchval("SELECT 'yes'")
            await connection.close()
            return answer
        finally:
            await asyncio.to_thread(server.release)

    assert asyncio.run(serve()) == "yes"


def test_two_processes_share_one_server_and_the_last_one_stops_it(
    data_dir: Path, new_client: Callable[[Path], Client]
) -> None:
    first, second = new_client(data_dir), new_client(data_dir)
    assert first.url() == (address := second.url())
    pid = postmaster_pid(data_dir)
    first.finish()
    assert query(address, "SELECT 1") == [1]
    second.finish()
    assert processes.find_process(pid) is None


def test_four_processes_may_start_at_once_where_nothing_exists_yet(
    folder: Path, new_client: Callable[[Path], Client]
) -> None:
    data_dir = folder / "made on" / "demand"
    clients = [new_client(data_dir) for _ in range(4)]
    addresses = {client.url() for client in clients}
    assert len(addresses) == 1
    assert query(addresses.pop(), "SELECT 1") == [1]
    for client in clients:
        client.finish()
    assert running_url(data_dir) is None


def test_a_process_that_exits_without_releasing_releases_all_the_same(data_dir: Path) -> None:
    script = CLIENT.replace(
        "with start(Path(sys.argv[1])) as server:", "if server := start(Path(sys.argv[1])):"
    )
    client = Client(data_dir, script=script)
    assert client.url()
    client.finish()
    assert running_url(data_dir) is None


def test_a_client_killed_with_minus_9_does_not_keep_the_server_up(
    data_dir: Path, new_client: Callable[[Path], Client]
) -> None:
    killed, other = new_client(data_dir), new_client(data_dir)
    assert killed.url() == (address := other.url())
    killed.kill()
    assert query(address, "SELECT 1") == [1]
    other.finish()
    assert running_url(data_dir) is None


def test_a_server_whose_clients_were_all_killed_is_adopted_by_the_next_start(
    data_dir: Path, new_client: Callable[[Path], Client]
) -> None:
    client = new_client(data_dir)
    address = client.url()
    pid = postmaster_pid(data_dir)
    client.kill()
    assert query(address, "SELECT 1") == [1]
    with start(data_dir) as server:
        assert (server.url(), postmaster_pid(data_dir)) == (address, pid)
    assert processes.find_process(pid) is None


def test_ctrl_c_at_one_client_does_not_reach_the_server(
    data_dir: Path, new_client: Callable[[Path], Client]
) -> None:
    client = new_client(data_dir)
    assert client.url()
    with start(data_dir) as server:
        pid = postmaster_pid(data_dir)
        os.killpg(client.process.pid, signal.SIGINT)
        client.process.communicate()
        assert query(server.url(), "SELECT 1") == [1]
        assert postmaster_pid(data_dir) == pid


@pytest.mark.crash
def test_after_a_kill_minus_9_of_the_server_the_next_start_recovers_every_committed_row(
    data_dir: Path,
) -> None:
    with start(data_dir) as server, start(data_dir) as busy:
        query(server.url(), "CREATE TABLE IF NOT EXISTS survivors AS SELECT generate_series(1, 1000) AS n")

        async def crash() -> None:
            connection = await asyncpg.connect(busy.url(), ssl=False)
            # This child never looks up from its work, so it does not notice that the server is gone.
            work = asyncio.create_task(connection.execute("DO $$ BEGIN LOOP END LOOP; END $$"))
            await asyncio.sleep(0.1)
            kill_server(data_dir)
            restarted = await asyncio.to_thread(start, data_dir)
            async with asyncio.timeout(10):
                with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                    await work
            assert restarted.url() == server.url()
            await asyncio.to_thread(restarted.release)

        asyncio.run(crash())
        assert query(server.url(), "SELECT count(*)::int FROM survivors") == [1000]


@pytest.mark.crash
@pytest.mark.parametrize("state", ["running", "zombie"])
def test_a_pid_file_that_names_another_process_does_not_prevent_the_start(data_dir: Path, state: str) -> None:
    home = data_dir / "postgres"
    account = cluster.server_account(home)
    unrelated = subprocess.Popen(["sleep", "60"], user=account.uid if account else None)
    try:
        (home / "cluster" / "postmaster.pid").write_text(f"{unrelated.pid}\n{home / 'cluster'}\n")
        if state == "zombie":  # dead, and not waited for until the end of this test
            os.kill(unrelated.pid, signal.SIGKILL)
        with start(data_dir) as server:
            assert query(server.url(), "SELECT 1") == [1]
        assert unrelated.poll() == (None if state == "running" else -signal.SIGKILL)
    finally:
        unrelated.kill()
        unrelated.wait()


@pytest.mark.crash
def test_a_first_start_killed_half_way_leaves_nothing_half_made(
    folder: Path, new_client: Callable[[Path], Client]
) -> None:
    client = new_client(folder / "data")
    home = folder / "data" / "postgres"
    deadline = time.monotonic() + 30
    while not list(home.glob("new-*/cluster/base")) and time.monotonic() < deadline:
        time.sleep(0.01)
    client.kill()
    with start(folder / "data") as server:
        assert query(server.url(), "SELECT 1") == [1]
    assert not list(home.glob("new-*"))


def test_when_another_program_has_the_port_the_server_takes_another_one(data_dir: Path) -> None:
    with start(data_dir) as server:
        port = server.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with start(data_dir) as server:
            assert server.port != port
            assert query(server.url(), "SELECT 1") == [1]
