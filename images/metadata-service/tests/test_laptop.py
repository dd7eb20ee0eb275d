"""One command serves a laptop: on a file, on the loopback, and Metaflow is told where."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from metadata_testbed.waiting import eventually

from metadata_service import cli, laptop
from metadata_service.settings import WrongSettings

FLOWS = Path(__file__).parent / "flows"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user's environment: a home of their own, and nothing about Metaflow in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "MF_", "XDG_"))}
    return {**kept, "HOME": str(tmp_path), "USER": "ann", "METAFLOW_USER": "ann"}


@contextlib.contextmanager
def started(environ: dict[str, str], *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command at work, and the lines that it printed. It is ended as by Ctrl-C, and that is its success."""
    command = [sys.executable, "-m", "metadata_service", "laptop", "--port", "0", *arguments]
    process = subprocess.Popen(command, env=environ, cwd=environ["HOME"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline().strip()]
        while not lines[-1].startswith("export METAFLOW_") or "METADATA" in lines[-1]:
            assert process.poll() is None
            lines.append(process.stdout.readline().strip())
        yield process, lines
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.stdout.close()
        if process.poll() is None:
            process.kill()
            process.wait()


def exported(lines: list[str]) -> dict[str, str]:
    pairs = (line.removeprefix("export ").partition("=") for line in lines if line.startswith("export "))
    return {name: value for name, _, value in pairs}


def ui_port(lines: list[str]) -> int:
    return next(int(line.rpartition(":")[2]) for line in lines if line.startswith("# The UI is at http://127.0.0.1:"))


def wait_until_ready(url: str) -> None:
    def look() -> str | None:
        try:
            return None if httpx.get(url + "/readyz", timeout=30).status_code == 200 else "not ready"
        except httpx.TransportError as error:
            return str(error)

    eventually(look, within=60)


@pytest.mark.slow
def test_a_flow_runs_with_the_profile_and_is_read_with_the_lines(environ: dict[str, str], tmp_path: Path) -> None:
    """One flow for both ways: nearly all of the time goes into starting the processes of its tasks."""
    with started(environ, "--write-profile", "mine") as (_, lines):
        told = exported(lines)
        assert told == {"METAFLOW_PROFILE": "mine"}
        written = json.loads((tmp_path / ".metaflowconfig" / "config_mine.json").read_text())
        wait_until_ready(written["METAFLOW_SERVICE_URL"])
        user = {**environ, **told, "MAKER": "laptop"}
        flow = [sys.executable, str(FLOWS / "resumed_flow.py"), "--quiet", "--no-pylint", "run", "--run-id-file", "id"]
        subprocess.run(flow, cwd=tmp_path, env=user, check=True, capture_output=True, timeout=600)
        # A number that the service gave: local metadata would have given a time.
        assert (tmp_path / "id").read_text() == "1"
        ui = f"http://127.0.0.1:{ui_port(lines)}/api/flows/ResumedFlow/runs/1"
        assert httpx.get(ui, timeout=60).json()["data"]["status"] == "completed"
        parameters = httpx.get(f"{ui}/parameters", timeout=60)
        assert parameters.status_code == 200, parameters.text
    # The second time it is still there.
    with started(environ) as (_, lines):
        told = exported(lines)
        url = told["METAFLOW_SERVICE_URL"]
        wait_until_ready(url)
        runs = httpx.get(url + "/flows/ResumedFlow/runs", timeout=60).json()
        assert [one["run_number"] for one in runs] == [1]
        asked = [sys.executable, str(FLOWS / "describe_run.py"), "ResumedFlow/1"]
        user = {**environ, **told}
        done = subprocess.run(asked, cwd=tmp_path, env=user, check=True, capture_output=True, text=True, timeout=600)
        described = json.loads(done.stdout.splitlines()[-1])
        assert described["successful"]
        joined = next(task for task in described["tasks"] if task["step"] == "join")
        assert joined["artifacts"]["letters_seen"] == "['a', 'b']"
    assert (tmp_path / ".local/share/tributary/metadata.db").exists()


@pytest.mark.slow
def test_it_is_reached_from_this_machine_only(environ: dict[str, str], tmp_path: Path) -> None:
    told = {**environ, "MF_METADATA_HOST": "0.0.0.0", "MF_METADATA_DB_DSN": "host=elsewhere dbname=x"}
    with started(told, "--data", str(tmp_path / "here")) as (process, lines):
        port = int(exported(lines)["METAFLOW_SERVICE_URL"].rpartition(":")[2])
        wait_until_ready(f"http://127.0.0.1:{port}")
        inodes = {os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()}
        table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        mine = [row for row in table if f"socket:[{row[9]}]" in inodes and row[3] == "0A"]
        ui = ui_port(lines)
        assert sorted(row[1] for row in mine) == sorted(f"0100007F:{one:04X}" for one in (port, ui))
    assert (tmp_path / "here" / "metadata.db").exists()


@pytest.mark.slow
def test_a_port_or_a_file_that_cannot_be_had_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    def told(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "metadata_service", "laptop", *arguments]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, words = told("--port", str(taken.getsockname()[1]))
    assert code == 2 and "Address already in use" in words and "Traceback" not in words
    (tmp_path / "metadata.db").write_text("This is no database, though it is long enough to be taken for one." * 20)
    code, words = told("--port", "0", "--data", str(tmp_path))
    assert code == 1 and "not a database" in words and "Traceback" not in words


def test_without_its_extra_the_ui_is_not_served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = laptop.laptop_settings(tmp_path, 0, {})
    monkeypatch.setitem(sys.modules, "minio", None)
    for name in [name for name in sys.modules if name.startswith("ui_backend")]:
        monkeypatch.delitem(sys.modules, name)
    assert laptop.ui_beside(settings, None, {}) is None
    assert "metaflow-tributary[ui]" in laptop.instructions(settings, 8080, None, laptop.WITHOUT_UI)


def test_a_profile_keeps_what_else_is_in_it(tmp_path: Path) -> None:
    profile = laptop.Profile.named("mine", {"METAFLOW_HOME": str(tmp_path)})
    profile.file.write_text('{"METAFLOW_DEFAULT_DATASTORE": "s3", "METAFLOW_SERVICE_URL": "old"}')
    profile.write(laptop.metaflow_settings(1234))
    assert json.loads(profile.file.read_text()) == {
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DEFAULT_METADATA": "service",
        "METAFLOW_SERVICE_URL": "http://127.0.0.1:1234",
    }
    assert [file.name for file in tmp_path.iterdir()] == ["config_mine.json"]


@pytest.mark.parametrize("content", ["[]", "{", "\udcff"])
def test_a_profile_that_is_none_is_left_alone(tmp_path: Path, content: str) -> None:
    profile = laptop.Profile.named("mine", {"METAFLOW_HOME": str(tmp_path)})
    profile.file.write_bytes(content.encode("utf-8", "surrogateescape"))
    before = profile.file.read_bytes()
    with pytest.raises(WrongSettings, match=r"config_mine\.json"):
        profile.write(laptop.metaflow_settings(1234))
    assert profile.file.read_bytes() == before


@pytest.mark.parametrize("name", ["", "a/b", "../x"])
def test_a_name_that_is_none_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["laptop", "--write-profile", name]) == 2
    assert "--write-profile" in capsys.readouterr().err


def test_the_folder_is_where_users_keep_their_data() -> None:
    assert laptop.default_folder({"HOME": "/h"}) == Path("/h/.local/share/tributary")
    assert laptop.default_folder({"HOME": "/h", "XDG_DATA_HOME": "/d"}) == Path("/d/tributary")
