"""The other images, each run as its pods run: not root, without rights, on a file system that cannot be written."""

from __future__ import annotations

import io
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from minio import Minio

from image_builder.engine import PODMAN

if TYPE_CHECKING:
    from images.tests.conftest import Container, Images

pytestmark = pytest.mark.slow

PYTHON_IMAGES = {
    "metadata-service": ["metadata_service", "starlette", "uvicorn", "msgspec", "psycopg_pool", "psycopg_binary"],
    "ui": ["ui_backend.serving", "starlette", "uvicorn", "wsproto", "psycopg_pool", "psycopg_binary", "minio", "regex"],
    "setup": ["release_setup", "minio", "certifi"],
    "task-base": ["metaflow", "boto3", "requests"],
    "task-demo": ["metaflow", "boto3", "sklearn.svm", "matplotlib.pyplot"],
}
KEYS = {"access-key": "root-of-store", "secret-key": "sprat-and-herring"}


@pytest.mark.parametrize("image", PYTHON_IMAGES)
def test_all_that_an_image_imports_is_there(images: Images, image: str) -> None:
    images.once(image, "python3", "-W", "error", "-c", f"import {', '.join(PYTHON_IMAGES[image])}")


@pytest.mark.parametrize("image", ["database", *PYTHON_IMAGES])
def test_an_image_holds_no_package_cache(images: Images, image: str) -> None:
    caches = "find /var/lib/apt /var/cache/apt /root/.cache -type f -size +0 2>/dev/null || true"
    assert images.once(image, "bash", "-c", caches) == ""


@pytest.mark.parametrize("image", ["database", "task-base"])
def test_a_base_made_here_has_no_program_that_changes_its_user(images: Images, image: str) -> None:
    if images.engine.program != PODMAN:
        pytest.skip("a registry's base keeps su and the like; the pods' security settings disarm them")
    assert images.once(image, "bash", "-c", "find / -xdev -perm /6000 -type f 2>/dev/null || true") == ""


@pytest.mark.parametrize("image", PYTHON_IMAGES)
def test_every_module_has_its_bytecode(images: Images, image: str) -> None:
    script = (
        "import importlib.util, pathlib\n"
        "modules = [path for path in pathlib.Path('/opt/site').rglob('*.py')]\n"
        "bare = [str(path) for path in modules if not pathlib.Path(importlib.util.cache_from_source(path)).exists()]\n"
        "print(len(bare) / len(modules))"
    )
    # Templates of some packages are no Python of this version.
    assert float(images.once(image, "python3", "-c", script)) < 0.01


def test_metaflow_finds_the_extension_in_a_step_s_image(images: Images) -> None:
    script = (
        "import json; from metaflow.extension_support import get_modules\n"
        "print(json.dumps([module.tl_package for module in get_modules('plugins')]))"
    )
    assert json.loads(images.once("task-base", "python3", "-c", script)) == ["tributary"]


def test_a_step_can_name_its_user(images: Images) -> None:
    assert images.once("task-base", "python3", "-c", "import getpass; print(getpass.getuser())") == "tributary\n"


@pytest.fixture
def start_store(
    images: Images, volume: Path, tmp_path: Path, wait_for: Callable[..., None]
) -> Callable[[], tuple[Container, Minio]]:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in KEYS.items():
        (secrets / name).write_text(value)
    files = {
        "MINIO_ROOT_USER_FILE": "/run/secrets/root/access-key",
        "MINIO_ROOT_PASSWORD_FILE": "/run/secrets/root/secret-key",
        "MINIO_UPDATE": "off",
    }

    def started() -> tuple[Container, Minio]:
        address = f"127.0.0.1:{free_port()}"
        store = images.start(
            "object-store", "server", "/data", "--address", address, "--console-address", f"127.0.0.1:{free_port()}",
            environment=files, volumes={volume: "/data", secrets: "/run/secrets/root"}, network="host",
        )  # fmt: skip
        wait_for(lambda: answers(store, f"http://{address}/minio/health/live"), within=300)
        client = Minio(address, access_key=KEYS["access-key"], secret_key=KEYS["secret-key"], secure=False)
        return store, client

    return started


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(store: Container, url: str) -> bool:
    assert store.is_running(), store.log()
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False


def test_the_object_store_keeps_what_it_is_given(start_store: Callable[[], tuple[Container, Minio]]) -> None:
    store, client = start_store()
    client.make_bucket("fish")
    client.put_object("fish", "bream", io.BytesIO(b"silver"), length=6)
    store.stop()
    assert store.exit_code() == 0
    assert KEYS["secret-key"] not in store.log()
    _, client = start_store()
    with client.get_object("fish", "bream") as response:
        assert response.read() == b"silver"


def test_the_object_store_lets_nobody_in_with_the_well_known_keys(
    start_store: Callable[[], tuple[Container, Minio]],
) -> None:
    from minio.error import S3Error

    _, client = start_store()
    stranger = Minio(client._base_url.host, access_key="minioadmin", secret_key="minioadmin", secure=False)
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        stranger.list_buckets()
