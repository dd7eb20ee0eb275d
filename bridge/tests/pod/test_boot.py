"""A step's container from nothing: an image without our packages, the mounts, and a store."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha1
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from bridge.tests.lib.flaky_store import FlakyStore
from bridge.tests.pod.small_kubeflow import FLOWS, describe
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import boot, loader, outputs
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import Deployment

BUCKET = "metaflow"
KEY = ("boot-test", "boot-test-secret")
PACKAGED = '{"version": 0, "archive_format": "tgz", "mfcontent_version": 1}'

# Every step of a pipeline carries the command, and all of them together must stay far below what Argo takes (1 MiB).
COMMAND_BYTES = 850


def test_the_command_is_small_and_has_nothing_that_a_template_would_replace() -> None:
    text = "".join(boot.command())
    assert len(text.encode()) <= COMMAND_BYTES
    assert "{{" not in text
    assert "$(" not in text


def test_the_blob_of_a_deployment_is_the_same_each_time_and_holds_its_record(tmp_path: Path) -> None:
    deployment = describe(FLOWS / "linear_flow.py", tmp_path)
    assert boot.blob(deployment) == boot.blob(deployment)
    assert Deployment.from_json(json.dumps(json.loads(boot.blob(deployment))["record"])) == deployment


def test_a_package_of_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r"code package: its form .* is not known\. Deploy the flow"):
        loader.unpack(b"", '{"archive_format": "zip", "mfcontent_version": 1}')


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    with pytest.raises(tarfile.OutsideDestinationError):
        loader.unpack(packed.getvalue(), PACKAGED)
    assert not (tmp_path / "outside").exists()


@dataclass(frozen=True)
class Store:
    """A running MinIO."""

    url: str
    client: Any

    def keep(self, blob: bytes) -> tuple[str, str]:
        """Store a blob as Metaflow's content-addressed store does; gives URL and key."""
        key = sha1(blob).hexdigest()
        path = f"metaflow/LinearFlow/data/{key[:2]}/{key}"
        self.client.put_object(Bucket=BUCKET, Key=path, Body=blob)
        return f"s3://{BUCKET}/{path}", key


def _binary() -> Path:
    cache = Path(
        os.environ.get("CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tributary"
    )
    built = sorted(cache.glob("bin/minio-*/minio"), key=lambda path: path.stat().st_mtime)
    if "TRIBUTARY_MINIO" in os.environ:
        return Path(os.environ["TRIBUTARY_MINIO"])
    if not built:
        pytest.fail(f"minio: is not in {cache}/bin. `make images` builds it, or set TRIBUTARY_MINIO to its path.")
    return built[-1]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    binary, folder = _binary(), tmp_path_factory.mktemp("minio")
    # MinIO names no port that it chose itself, and another process may take a free one before MinIO does.
    for _ in range(5):
        with _minio(binary, folder) as (server, url):
            client = boto3.client(
                "s3", endpoint_url=url, aws_access_key_id=KEY[0], aws_secret_access_key=KEY[1], region_name="us-east-1"
            )
            if _make_bucket(client, server, within=60):
                yield Store(url, client)
                return
    pytest.fail(f"{binary}: ended with exit code {server.returncode} before it answered, on each of 5 ports.")


@contextlib.contextmanager
def _minio(binary: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """MinIO as it starts on a port that was free, and its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [binary, "server", folder / "data", "--address", f"127.0.0.1:{port}", "--quiet"],
        env={
            "HOME": str(folder),
            "MINIO_ROOT_USER": KEY[0],
            "MINIO_ROOT_PASSWORD": KEY[1],
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "GOMEMLIMIT": "128MiB",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _make_bucket(client: Any, server: subprocess.Popen[bytes], within: float) -> bool:
    """Make the bucket as soon as the server answers; False if it has ended instead."""
    deadline = time.monotonic() + within
    while server.poll() is None:
        try:
            client.create_bucket(Bucket=BUCKET)
            return True
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    return False


def here(word: str, folder: Path) -> str:
    """The command's text for a process of this machine, with its mounts and its termination message in a folder."""
    return word.replace(boot.MOUNT, str(folder)).replace(str(outputs.TERMINATION_LOG), str(folder / "said"))


@dataclass(frozen=True)
class Container:
    """What a pod of this deployment is given."""

    deployment: Deployment
    record_url: str
    mounts: Path
    variables: dict[str, str]

    @property
    def said(self) -> str:
        """What the last one left to Kubernetes."""
        return (self.mounts / "said").read_text()

    def run(self, *words: str, attempts: str = "9") -> subprocess.CompletedProcess[str]:
        command = [here(word, self.mounts).replace('"9"', repr(attempts)) for word in boot.command()]
        (self.mounts / "said").write_text("")
        return subprocess.run(
            [sys.executable, *command[1:], self.record_url, *words],
            cwd="/",
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture(scope="module")
def container(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Container:
    """A deployment of the linear flow, and an image in which metaflow and the extension are other ones, which do not
    work.
    """
    folder = tmp_path_factory.mktemp("container")
    settings = {"METAFLOW_S3_ENDPOINT_URL": store.url, "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{BUCKET}/metaflow"}
    (folder / "config").mkdir()
    (folder / "config" / "config.json").write_text(json.dumps(settings))
    for package in ("metaflow", "metaflow_extensions/tributary/plugins/kubeflow_pipelines"):
        (folder / "site" / package).mkdir(parents=True)
        (folder / "site" / package / "__init__.py").write_text("raise ImportError('the image has its own')")
    packed = folder / "code.tgz"
    subprocess.run(
        [sys.executable, "linear_flow.py", "--no-pylint", "package", "save", str(packed)],
        cwd=FLOWS,
        env=os.environ | {"METAFLOW_USER": "tester", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    code_url, code_sha = store.keep(packed.read_bytes())
    deployment = replace(
        describe(FLOWS / "linear_flow.py", folder),
        code_url=code_url,
        code_sha=code_sha,
        code_metadata=PACKAGED,
        datastore_type="s3",
        datastore_root=settings["METAFLOW_DATASTORE_SYSROOT_S3"],
    )
    record_url, _ = store.keep(boot.blob(deployment))
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(folder / "site"),
        "TRIBUTARY_RUN": "boot",
        "AWS_ACCESS_KEY_ID": KEY[0],
        "AWS_SECRET_ACCESS_KEY": KEY[1],
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
    }
    return Container(deployment, record_url, folder, variables)


@pytest.mark.server
@pytest.mark.slow
def test_steps_run_from_their_package_whatever_the_image_holds(store: Store, container: Container) -> None:
    for step in ("start", "sort_the_numbers", "end"):
        done = container.run(step)
        assert done.returncode == 0, done.stderr
    assert "the largest is 30" in done.stdout
    stored = store.client.list_objects_v2(Bucket=BUCKET, Prefix="metaflow/LinearFlow/kfp-boot/end/t-end/")
    names = {entry["Key"].rpartition("/")[2] for entry in stored["Contents"]}
    assert {"0.attempt.json", "0.DONE.lock", "0.task_stdout.log", "0.task_stderr.log"} <= names
    log = store.client.get_object(Bucket=BUCKET, Key="metaflow/LinearFlow/kfp-boot/end/t-end/0.task_stdout.log")
    assert b"the largest is 30" in log["Body"].read()


@pytest.mark.server
@pytest.mark.slow
def test_a_record_that_is_not_what_its_url_says_is_not_run(store: Store, container: Container) -> None:
    bucket_and_key = container.record_url.removeprefix(f"s3://{BUCKET}/")
    other = bucket_and_key[:-1] + ("0" if bucket_and_key[-1] != "0" else "1")
    store.client.put_object(Bucket=BUCKET, Key=other, Body=b'{"loader":"print(1)"}')
    done = replace(container, record_url=f"s3://{BUCKET}/{other}").run("start")
    assert done.returncode == 1
    assert done.stderr == f"{other}: other SHA-1\n" == f"{container.said}\n"


@pytest.mark.server
@pytest.mark.slow
def test_a_code_package_that_is_not_the_deployed_one_is_not_unpacked(store: Store, container: Container) -> None:
    record_url, _ = store.keep(boot.blob(replace(container.deployment, code_sha="0" * 40)))
    done = replace(container, record_url=record_url).run("start")
    assert done.returncode == 1
    assert f"has SHA-1 {container.deployment.code_sha}, not {'0' * 40}. Deploy" in done.stderr
    assert done.stderr == f"{container.said}\n"


@pytest.mark.server
@pytest.mark.slow
def test_a_record_that_is_gone_is_named_by_the_store(container: Container) -> None:
    done = replace(container, record_url=f"s3://{BUCKET}/metaflow/gone/{'0' * 40}").run("start")
    assert done.returncode == 1
    assert "NoSuchKey" in done.stderr
    assert done.stderr == f"{container.said}\n"


# A package that the image has and that does not work, and a pip that puts it right, as far as it is let.
BROKEN = "raise ImportError('this is not it')"
PIP = """\
import pathlib, shutil, sys
here = pathlib.Path(__file__).parents[1]
(here / "asked").write_text(" ".join(sys.argv[1:]))
shutil.rmtree(here / "boto3")
"""


def boot_alone(folder: Path, **variables: str) -> tuple[str, str]:
    """Run the command where boto3 does not work and there is no config: what it writes to stderr, and what it leaves
    to Kubernetes.
    """
    for name, text in (("boto3/__init__.py", BROKEN), ("pip/__main__.py", PIP), ("pip/__init__.py", "")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "said").touch()
    words = [here(word, folder) for word in boot.command()[1:]]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, *words, f"s3://{BUCKET}/{'0' * 40}"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr, (folder / "said").read_text()


@pytest.mark.slow
def test_what_the_image_lacks_is_installed_before_anything_is_fetched(tmp_path: Path) -> None:
    stderr, said = boot_alone(tmp_path)
    assert (tmp_path / "asked").read_text() == "install -q boto3 requests"
    assert stderr == f"{said}\n" == "[Errno 2] No such file or directory: 'config/config.json'\n"


@pytest.mark.slow
def test_nothing_is_installed_where_the_deployer_forbids_it(tmp_path: Path) -> None:
    stderr, said = boot_alone(tmp_path, METAFLOW_SKIP_INSTALL_DEPENDENCIES="1")
    assert not (tmp_path / "asked").exists()
    assert stderr == f"{said}\n" == "put boto3 requests into the image\n"


@contextlib.contextmanager
def flaky(container: Container, store: Store, refusals: int) -> Iterator[Container]:
    """The container with such a store in front of its own."""
    config = container.mounts / "config" / "config.json"
    before = config.read_text()
    with FlakyStore(store.url, refusals) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        config.write_text(before.replace(store.url, f"http://127.0.0.1:{server.server_address[1]}"))
        try:
            yield container
            assert server.refused["GET"]
        finally:
            config.write_text(before)
            server.shutdown()
            thread.join()


@pytest.mark.server
@pytest.mark.slow
def test_a_store_that_fails_for_a_while_costs_a_step_without_retry_nothing_but_time(
    store: Store, container: Container
) -> None:
    variables = {**container.variables, "TRIBUTARY_RUN": "flaky"}
    with flaky(replace(container, variables=variables), store, refusals=2) as behind:
        done = behind.run("start")
    assert done.returncode == 0, done.stderr
    task = "metaflow/LinearFlow/kfp-flaky/start/t-start/"
    names = {
        each["Key"].rpartition("/")[2] for each in store.client.list_objects_v2(Bucket=BUCKET, Prefix=task)["Contents"]
    }
    assert "0.DONE.lock" in names and not [name for name in names if name.startswith("1.")]


@pytest.mark.server
@pytest.mark.slow
def test_a_store_that_stays_away_is_given_up_and_said_in_a_line(store: Store, container: Container) -> None:
    once = {**container.variables, "TRIBUTARY_RUN": "away"}
    with flaky(replace(container, variables=once), store, refusals=1000) as behind:
        done = behind.run("start", attempts="2")
    assert done.returncode == 1
    assert "SlowDown" in done.stderr and "reached max retries" in done.stderr
    assert done.stderr == f"{behind.said}\n"


def test_the_runner_is_imported_without_metaflow() -> None:
    """Metaflow reads its settings when it is imported, and the runner makes them."""
    module = "metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.runner"
    code = f"import sys, {module}; sys.exit('metaflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Stands where the boot command does, and shows what the runner would find.
SHOW = """\
import json, os, types
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import loader
loader.fetch = loader.unpack = loader.enter = lambda *_: None
names = "GREETING", "TRIBUTARY_COMMAND"
found = lambda *_: print(json.dumps([*map(os.environ.get, names), "TRIBUTARY_SHELL" in os.environ]))
loader.importlib = types.SimpleNamespace(import_module=lambda _: types.SimpleNamespace(main=found))
loader.main({"record": dict.fromkeys(("code_url", "code_sha", "code_metadata"))}, None)
"""


@pytest.mark.slow
def test_what_the_nodes_of_a_gang_are_started_with_runs_the_init_script_too() -> None:
    script = boot.command("export GREETING='hello  $(there)'")[:3]
    command = [*script, sys.executable, "-c", SHOW, "s3://record", "train"]
    environ = {"PATH": os.environ["PATH"], "HOME": "/"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["hello  $(there)", json.dumps(command), False]
