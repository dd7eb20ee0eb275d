"""minikube: the command lines of each step, recorded by a program in its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster import steps
from cluster.providers import Health, provider_of
from cluster.providers.provider import Provider
from cluster.settings import Settings
from laptop.recorder import Recorder

PROFILES = '{"valid": [{"Name": "nowhere", "Status": "Stopped"}]}'


@pytest.fixture
def provider(recorder: Recorder, settings: Settings) -> Provider:
    recorder.stand_in_for("minikube", "kubectl")
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


def test_a_profile_that_stands_still_is_started(provider: Provider, recorder: Recorder) -> None:
    recorder.answer("minikube", "profile", "list", text=PROFILES)
    assert provider.health() is Health.STOPPED
    run(provider)
    assert recorder.calls("minikube")[-1][2] == "start"


def test_a_profile_that_answers_is_left_alone(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    recorder.answer("minikube", "profile", "list", text=PROFILES)
    kubectl = ("kubectl", "--kubeconfig", str(settings.kubeconfig), "--context", "nowhere")
    recorder.answer(*kubectl, "get", "--raw=/readyz", text="ok")
    settings.state.mkdir(parents=True)
    settings.kubeconfig.touch()
    run(provider)
    assert not any("start" in words for words in recorder.calls("minikube"))


def test_down(provider: Provider, recorder: Recorder) -> None:
    provider.down(print)
    assert not any("delete" in words for words in recorder.calls("minikube"))
    recorder.answer("minikube", "profile", "list", text=PROFILES)
    provider.down(print)
    assert recorder.calls("minikube")[-1] == ["--profile", "nowhere", "delete"]


def test_a_missing_minikube_is_a_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    problems = provider_of(replace(settings, provider="minikube")).problems()
    assert problems == ["minikube: not on PATH. Install it.", "kubectl: not on PATH. Install it."]
