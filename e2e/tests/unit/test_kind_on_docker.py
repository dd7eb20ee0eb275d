"""kind on Docker: the command lines of each step, recorded by programs in the place of Docker, kind and kubectl."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from cluster import steps
from cluster.errors import Failed
from cluster.providers import Health, provider_of
from cluster.providers.provider import Provider
from cluster.settings import Settings
from laptop.recorder import Recorder

NODE = "nowhere-control-plane"
INSPECT = ("docker", "container", "inspect", NODE)


@pytest.fixture
def provider(recorder: Recorder, settings: Settings) -> Provider:
    """Its Docker has no container at first, and its cluster answers once it is asked."""
    recorder.stand_in_for("docker", "kind", "kubectl")
    settings.state.mkdir(parents=True)
    settings.kubeconfig.touch()
    recorder.answer("docker", text="27.0\n")
    recorder.answer(*INSPECT, code=1)
    kubectl = ("kubectl", "--kubeconfig", str(settings.kubeconfig), "--context", "kind-nowhere")
    recorder.answer(*kubectl, "get", "--raw=/readyz", text="ok")
    return provider_of(replace(settings, provider="kind-docker"))


def container(cluster: str = "nowhere", pid: int = 4711) -> str:
    state = {"Pid": pid, "Status": "running"}
    return json.dumps([{"Id": "c0ffee", "State": state, "Config": {"Labels": {"io.x-k8s.kind.cluster": cluster}}}])


def run(provider: Provider) -> list[str]:
    lines: list[str] = []
    steps.run(provider.steps(), lines.append)
    return lines


def test_auto_takes_docker_where_an_engine_answers(recorder: Recorder, settings: Settings) -> None:
    recorder.stand_in_for("docker")
    recorder.answer("docker", "info", text="27.0\n")
    assert provider_of(settings).name == "kind-docker"
    recorder.answer("docker", "info", code=1)
    assert provider_of(settings).name == "kind-podman"


def test_a_cluster_is_made_by_one_command_of_kind(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    run(provider)
    config = settings.state / "kind.yaml"
    assert recorder.calls("kind") == [
        [
            "create", "cluster", "--name", "nowhere", "--config", str(config),
            "--kubeconfig", str(settings.kubeconfig), "--wait", "180s",
        ]
    ]  # fmt: skip
    assert recorder.environment_of("kind") == {"KIND_EXPERIMENTAL_PROVIDER": "docker"}


def test_the_node_shows_its_ports_on_this_machine_alone(
    provider: Provider, recorder: Recorder, settings: Settings
) -> None:
    run(provider)
    config = yaml.safe_load((settings.state / "kind.yaml").read_text())
    mappings = config["nodes"][0]["extraPortMappings"]
    ports = settings.ports
    assert {(each["hostPort"], each["containerPort"]) for each in mappings} == {
        (ports.metadata_service, 30080),
        (ports.object_store, 30900),
        (ports.kubeflow_pipelines, 30888),
        (ports.ui, 30083),
    }
    assert {each["listenAddress"] for each in mappings} == {"127.0.0.1"}
    assert config["networking"] == {"apiServerAddress": "127.0.0.1", "apiServerPort": ports.kubernetes}


def test_every_call_of_kubectl_names_kubeconfig_and_context(
    provider: Provider, recorder: Recorder, settings: Settings
) -> None:
    run(provider)
    calls = recorder.calls("kubectl")
    assert calls
    named = ["--kubeconfig", str(settings.kubeconfig), "--context", "kind-nowhere"]
    assert all(words[:4] == named for words in calls)


def test_a_cluster_that_answers_is_left_alone(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    recorder.answer(*INSPECT, text=container())
    assert provider.health() is Health.READY
    assert any(line.split()[:2] == ["cluster", "done"] for line in run(provider))
    assert recorder.calls("kind") == []


def test_a_cluster_of_another_owner_with_the_same_name_is_none_of_ours(provider: Provider, recorder: Recorder) -> None:
    recorder.answer(*INSPECT, text=container(cluster="other"))
    assert provider.health() is Health.ABSENT
    provider.down(print)
    assert not any(words[0] == "rm" for words in recorder.calls("docker"))


def test_a_node_that_stands_still_is_started_again(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    (settings.state / "made").touch()
    recorder.answer(*INSPECT, text=container(pid=0))
    assert provider.health() is Health.STOPPED
    run(provider)
    assert [words for words in recorder.calls("docker") if words[0] == "restart"] == [["restart", "--time", "10", NODE]]
    assert not any(words[:2] == ["create", "cluster"] for words in recorder.calls("kind"))


def test_loss_is_told_before_anything_is_removed(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    (settings.state / "made").touch()
    recorder.answer(*INSPECT, text=container(pid=0))
    recorder.answer("docker", "restart", code=1)
    seen: list[bool] = []

    def screen(line: str) -> None:
        if "lost" in line:
            seen.append(any(words[0] == "rm" for words in recorder.calls("docker")))

    steps.run(provider.steps(), screen)
    assert seen == [False]
    assert ["rm", "--force", "--volumes", NODE] in recorder.calls("docker")
    assert recorder.calls("kind")[-1][:2] == ["create", "cluster"]


def test_a_kind_that_fails_names_its_log(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    recorder.answer("kind", "create", code=1)
    with pytest.raises(Failed, match=rf"^cluster: kind ended with code 1. Look at {settings.logs / 'kind.log'}"):
        run(provider)


def test_down_removes_the_container_and_its_volumes(provider: Provider, recorder: Recorder) -> None:
    recorder.answer(*INSPECT, text=container())
    provider.down(print)
    assert recorder.calls("docker")[-1] == ["rm", "--force", "--volumes", NODE]


def test_down_of_nothing_is_fine(provider: Provider, recorder: Recorder) -> None:
    provider.down(print)
    assert {words[1] for words in recorder.calls("docker")} == {"inspect"}


def test_an_engine_that_is_away_is_a_problem(provider: Provider, recorder: Recorder) -> None:
    recorder.answer("docker", "info", code=1)
    assert provider.problems() == [
        "docker: the engine does not answer. Start Docker, or set PROVIDER=kind-podman.",
    ]
