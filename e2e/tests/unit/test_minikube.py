"""minikube: the command lines of each step, recorded by a program in its place."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cluster import steps
from cluster.errors import Failed, Refused
from cluster.providers import Health, provider_of
from cluster.providers.provider import Provider
from cluster.settings import Settings
from laptop.recorder import Recorder

PROFILES = '{"valid": [{"Name": "nowhere", "Status": "Stopped"}]}'


@pytest.fixture
def provider(recorder: Recorder, settings: Settings) -> Provider:
    recorder.stand_in_for("minikube", "kubectl", "docker")
    recorder.answer("docker", code=1)
    return provider_of(replace(settings, provider="minikube"))


def run(provider: Provider) -> None:
    steps.run(provider.steps(), lambda line: None)


def test_start(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    assert provider.health() is Health.ABSENT
    recorder.forget()
    run(provider)
    ports = settings.ports
    assert recorder.calls("minikube")[-1] == [
        "--profile", "nowhere", "start", "--driver=docker", "--wait=all", "--interactive=false",
        f"--ports=127.0.0.1:{ports.metadata_service}:30080",
        f"--ports=127.0.0.1:{ports.object_store}:30900",
        f"--ports=127.0.0.1:{ports.kubeflow_pipelines}:30888",
        f"--ports=127.0.0.1:{ports.ui}:30083",
    ]  # fmt: skip


def test_it_writes_to_our_kubeconfig(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    run(provider)
    assert recorder.environment_of("minikube")["KUBECONFIG"] == str(settings.kubeconfig)


def stand(recorder: Recorder, settings: Settings, *, first_port: int = 0) -> None:
    """The profile is there, and its node shows four ports."""
    recorder.answer("minikube", "profile", "list", text=PROFILES)
    base = first_port or settings.ports.base
    bound = {f"{inside}/tcp": [{"HostPort": str(base + i)}] for i, inside in enumerate((30080, 30900, 30888, 30083))}
    node = [{"HostConfig": {"PortBindings": bound}}]
    recorder.answer("docker", "container", "inspect", "nowhere", text=json.dumps(node))


def test_a_profile_that_we_did_not_make_is_left_alone(
    provider: Provider, recorder: Recorder, settings: Settings
) -> None:
    stand(recorder, settings, first_port=30000)
    assert provider.health() is Health.FOREIGN
    (said,) = provider.problems()
    assert said.startswith("CLUSTER: there is a minikube profile 'nowhere' that was not made from ")
    with pytest.raises(Refused, match="so it is left alone"):
        provider.down(print)
    with pytest.raises(Refused, match="so it is left alone"):
        run(provider)
    assert {words[0] for words in recorder.calls("minikube")} == {"profile"}


def test_it_is_written_down_before_minikube_begins(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    recorder.answer("minikube", "--profile", "nowhere", "start", code=1)
    with pytest.raises(Failed):
        run(provider)
    # The profile without its node, as a start leaves it that ended early.
    recorder.answer("minikube", "profile", "list", text=PROFILES)
    assert provider.health() is Health.STOPPED


def test_a_profile_that_stands_still_is_started(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    stand(recorder, settings)
    assert provider.health() is Health.STOPPED
    run(provider)
    assert recorder.calls("minikube")[-1][2] == "start"


def test_a_profile_that_answers_is_left_alone(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    stand(recorder, settings)
    kubectl = ("kubectl", "--kubeconfig", str(settings.kubeconfig), "--context", "nowhere")
    recorder.answer(*kubectl, "get", "--raw=/readyz", text="ok")
    settings.state.mkdir(parents=True)
    settings.kubeconfig.touch()
    run(provider)
    assert not any("start" in words for words in recorder.calls("minikube"))


def test_down(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    provider.down(print)
    assert not any("delete" in words for words in recorder.calls("minikube"))
    stand(recorder, settings)
    provider.down(print)
    assert recorder.calls("minikube")[-1] == ["--profile", "nowhere", "delete"]


def test_a_missing_minikube_is_a_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    problems = provider_of(replace(settings, provider="minikube")).problems()
    assert problems == [
        "minikube: not on PATH. Install it.",
        "kubectl: not on PATH, and there is no Go to build it. Install kubectl, or Go 1.25 or newer.",
    ]
