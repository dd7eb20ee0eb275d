"""A cluster of the user's: one context is copied out of a kubeconfig, which stays as it is. kubectl is the real one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from cluster import kubectl, steps
from cluster.cli import main
from cluster.ownership import Record, recorded
from cluster.providers import provider_of
from cluster.settings import Ports, Settings


@pytest.fixture(autouse=True, scope="module")
def kubectl_on_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The harness's own kubectl, where this machine has none: `make check` builds it."""
    program = kubectl.program(Settings.from_environ())
    if not program.exists():
        pytest.fail(f"kubectl: is neither on PATH nor at {program}. `make programs` builds it.")
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("bin")
        (folder / "kubectl").symlink_to(program)
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig with two contexts, the current one not ours."""
    file = tmp_path / "kubeconfig"
    names = ("mine", "production")
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "production",
        "clusters": [{"name": name, "cluster": {"server": f"https://127.0.0.1:1/{name}"}} for name in names],
        "users": [{"name": name, "user": {"token": f"token-of-{name}"}} for name in names],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
    }
    file.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def test_only_the_named_context_is_copied(home: Path, settings: Settings) -> None:
    before = home.read_bytes()
    ours = replace(settings, context="mine")
    provider = provider_of(ours)
    assert provider.problems() == []
    steps.run([step for step in provider.steps() if step.name == "kubeconfig"], lambda line: None)
    copied = yaml.safe_load(ours.kubeconfig.read_text())
    assert [context["name"] for context in copied["contexts"]] == ["mine"]
    assert [user["user"]["token"] for user in copied["users"]] == ["token-of-mine"]
    assert "token-of-production" not in ours.kubeconfig.read_text()
    assert ours.kubeconfig.stat().st_mode & 0o077 == 0
    assert home.read_bytes() == before


def test_the_ports_of_its_port_forwards_are_written_down(home: Path, settings: Settings) -> None:
    ours = replace(settings, context="mine", ports=Ports(26000))
    steps.run([step for step in provider_of(ours).steps() if step.name == "kubeconfig"], lambda line: None)
    assert recorded(ours.state) == Record("context", 26000)


def test_no_credential_reaches_a_log(home: Path, settings: Settings) -> None:
    ours = replace(settings, context="mine")
    steps.run([step for step in provider_of(ours).steps() if step.name == "kubeconfig"], lambda line: None)
    logs = [file.read_text() for file in ours.logs.glob("*")] if ours.logs.exists() else []
    assert not any("token-of" in text for text in logs)


@pytest.mark.usefixtures("home")
def test_a_context_that_does_not_exist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CONTEXT", "nope")
    assert main(["up"]) == 2
    said = capsys.readouterr().err
    assert said == "CONTEXT: 'nope' is not in your kubeconfig, which knows mine, production. Name one of them.\n"


@pytest.mark.usefixtures("home")
def test_down_forgets_the_cluster_and_says_how_a_release_is_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    for name, value in {"CACHE": str(cache), "CONTEXT": "mine", "RELEASE": "other"}.items():
        monkeypatch.setenv(name, value)
    main(["up"])
    state = Settings.from_environ().state
    assert (state / "kubeconfig").is_file()
    capsys.readouterr()
    assert main(["down"]) == 0
    assert not state.exists()
    assert capsys.readouterr().out == (
        "the cluster behind mine is yours and stays as it is; a release that is in it is taken out by "
        f"`make uninstall CONTEXT=mine CACHE={cache} RELEASE=other`\n"
    )


@pytest.mark.usefixtures("home")
def test_a_cluster_that_does_not_answer_is_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CONTEXT", "mine")
    assert main(["up"]) == 1
    assert "The cluster behind 'mine' does not answer" in capsys.readouterr().err
