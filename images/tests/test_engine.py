"""An engine holds few old images, and pushes to a real registry."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from image_builder import golang
from image_builder.engine import DOCKER, Engine
from image_builder.golang import GoProgram

if TYPE_CHECKING:
    from images.tests.conftest import Images, Recorder

REGISTRY = GoProgram("registry", "github.com/distribution/distribution/v3", "v3.1.2", "cmd/registry")


def test_only_older_images_of_the_repository_are_removed(tmp_path: Path, recorder: Recorder) -> None:
    recorder.add("docker", '[ "$1" = images ] && printf "a/b:4\\na/b:3\\na/b:2\\na/b:1\\n"; true')
    Engine(DOCKER, tmp_path).forget_all_but(2, "a/b")
    assert [call for call in recorder.calls("docker") if call[0] == "rmi"] == [["rmi", "a/b:2"], ["rmi", "a/b:1"]]


@pytest.fixture
def registry(images: Images, tmp_path: Path, wait_for: Callable[..., None]) -> Iterator[str]:
    """A registry on this machine, as HOST:PORT."""
    program = golang.build([REGISTRY], cache=images.cache, say=print)["registry"]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": address},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(settings))
    log = (tmp_path / "registry.log").open("w")
    process = subprocess.Popen([program, "serve", tmp_path / "registry.yml"], stdout=log, stderr=log)
    wait_for(lambda: b"listening on" in (tmp_path / "registry.log").read_bytes(), within=30)
    yield address
    process.terminate()
    process.wait()
    log.close()


@pytest.mark.long
def test_a_pushed_image_is_in_the_registry(images: Images, registry: str, tmp_path: Path) -> None:
    trusting = tmp_path / "registries.conf"
    trusting.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    environment = dict(images.engine.environment or {}) | {"CONTAINERS_REGISTRIES_CONF": str(trusting)}
    reference = images.reference("object-store")
    target = f"{registry}/team/{reference.split('/', 1)[1]}"
    replace(images.engine, environment=environment).push(reference, target)
    repository, _, tag = target.removeprefix(registry).rpartition(":")
    url = f"http://{registry}/v2{repository}/manifests/{tag}"
    kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": kinds})) as response:
        manifest = json.load(response)
    assert manifest["config"]["digest"] == f"sha256:{images.built['object-store'].id}"
    subprocess.run(
        [images.engine.program, "rmi", target], env=images.engine.environment, check=True, capture_output=True
    )
