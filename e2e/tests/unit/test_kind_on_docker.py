"""kind on Docker: the command lines of each step, recorded by programs in the place of Docker, kind and kubectl."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from cluster import cli, command, steps
from cluster.errors import Failed, Refused
from cluster.ownership import Record, claim, mount_point, recorded
from cluster.providers import Health, kind, provider_of
from cluster.providers.kind import Kind
from cluster.providers.provider import Provider
from cluster.settings import Settings
from laptop.recorder import Recorder

NODE = "nowhere-control-plane"
INSPECT = ("docker", "container", "inspect", NODE)
# How the cluster is asked whether it was ever complete.
COMPLETE = ("get", "storageclass,persistentvolume")


def kubectl_words(settings: Settings) -> tuple[str, ...]:
    """How each call of kubectl begins."""
    return ("kubectl", "--kubeconfig", str(settings.kubeconfig), "--context", "kind-nowhere")


@pytest.fixture
def provider(recorder: Recorder, settings: Settings) -> Provider:
    """Its Docker has no container at first, and its cluster answers once it is asked."""
    recorder.stand_in_for("docker", "kind", "kubectl")
    settings.state.mkdir(parents=True)
    settings.kubeconfig.touch()
    recorder.answer("docker", text="27.0\n")
    recorder.answer(*INSPECT, code=1)
    recorder.answer(*kubectl_words(settings), "get", "--raw=/readyz", text="ok")
    return provider_of(replace(settings, provider="kind-docker"))


@pytest.fixture
def mark(settings: Settings) -> str:
    """Where a node of ours shows that it is ours."""
    return mount_point(settings.state)


def container(mark: str, cluster: str = "nowhere", pid: int = 4711) -> str:
    state = {"Pid": pid, "Status": "running"}
    config = {"Labels": {"io.x-k8s.kind.cluster": cluster}}
    mounts = [{"Type": "bind", "Source": "/dev/null", "Destination": mark}]
    return json.dumps([{"Id": "c0ffee", "State": state, "Config": config, "Mounts": mounts}])


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


def test_the_node_bears_a_mark_that_says_whose_it_is(provider: Provider, settings: Settings, mark: str) -> None:
    run(provider)
    config = yaml.safe_load((settings.state / "kind.yaml").read_text())
    assert config["nodes"][0]["extraMounts"] == [{"hostPath": "/dev/null", "containerPath": mark, "readOnly": True}]
    assert recorded(settings.state) == Record("kind-docker", settings.ports.base)


def test_it_is_written_down_before_kind_begins(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    recorder.answer("kind", "create", code=1)
    with pytest.raises(Failed):
        run(provider)
    assert recorded(settings.state) == Record("kind-docker", settings.ports.base)


@pytest.mark.parametrize("pid", [4711, 0], ids=["running", "standing still"])
def test_a_kind_cluster_of_somebody_else_is_left_alone(
    pid: int, provider: Provider, recorder: Recorder, settings: Settings
) -> None:
    recorder.answer(*INSPECT, text=container("/lib/modules", pid=pid))
    assert provider.health() is Health.FOREIGN
    sentence = (
        f"CLUSTER: there is a kind cluster on docker 'nowhere' that was not made from {settings.state}, so it is left "
        "alone. Set CLUSTER to another name, or remove it yourself: `kind delete cluster --name nowhere`."
    )
    assert provider.problems() == [sentence]
    with pytest.raises(Refused, match="so it is left alone"):
        provider.down(print)
    with pytest.raises(Refused, match="so it is left alone"):
        run(provider)
    assert {words[0] for words in recorder.calls("docker")} <= {"container", "info"}
    assert recorder.calls("kind") == []


def test_down_of_somebody_elses_cluster_ends_with_2(
    provider: Provider, recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    recorder.answer(*INSPECT, text=container("/lib/modules"))
    for name, value in {"CACHE": str(settings.cache), "CLUSTER": "nowhere", "PROVIDER": "kind-docker"}.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["down"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert settings.state.exists()


def test_one_that_an_earlier_version_made_is_ours(provider: Provider, recorder: Recorder, settings: Settings) -> None:
    (settings.state / "kind.yaml").touch()
    recorder.answer(*INSPECT, text=container("/lib/modules"))
    assert provider.health() is Health.READY
    claim(settings.state, Record("kind-docker", 20000))
    assert provider.health() is Health.FOREIGN


def test_a_cluster_that_answers_is_left_alone(
    provider: Provider, recorder: Recorder, settings: Settings, mark: str
) -> None:
    (settings.state / "made").touch()
    recorder.answer(*INSPECT, text=container(mark))
    assert provider.health() is Health.READY
    assert any(line.split()[:2] == ["cluster", "done"] for line in run(provider))
    assert recorder.calls("kind") == []


def test_a_cluster_of_another_owner_with_the_same_name_is_none_of_ours(provider: Provider, recorder: Recorder) -> None:
    recorder.answer(*INSPECT, text=container("/lib/modules", cluster="other"))
    assert provider.health() is Health.ABSENT
    provider.down(print)
    assert not any(words[0] == "rm" for words in recorder.calls("docker"))


def test_a_node_that_stands_still_is_started_again(
    provider: Provider, recorder: Recorder, settings: Settings, mark: str
) -> None:
    (settings.state / "made").touch()
    recorder.answer(*INSPECT, text=container(mark, pid=0))
    assert provider.health() is Health.STOPPED
    run(provider)
    assert [words for words in recorder.calls("docker") if words[0] == "restart"] == [["restart", "--time", "10", NODE]]
    assert not any(words[:2] == ["create", "cluster"] for words in recorder.calls("kind"))


def make_anew(provider: Provider) -> list[str]:
    """What the step `cluster` says when it runs though it is done, as where the question before it got no answer."""
    lines: list[str] = []
    steps.run([step for step in provider.steps() if step.name == "cluster"], lines.append, force_first=True)
    return lines


def removed(recorder: Recorder) -> bool:
    return any(words[0] == "rm" for words in recorder.calls("docker"))


@pytest.mark.parametrize("answer", [{"code": 1}, {"text": ""}], ids=["no answer", "its storage class is gone"])
def test_a_cluster_that_was_complete_and_answers_is_kept(
    answer: dict[str, Any], provider: Provider, recorder: Recorder, settings: Settings, mark: str
) -> None:
    (settings.state / "made").touch()
    recorder.answer(*INSPECT, text=container(mark))
    recorder.answer(*kubectl_words(settings), *COMPLETE, **answer)
    make_anew(provider)
    assert not removed(recorder)


def test_a_question_for_the_kubeconfig_that_fails_once_loses_nothing(
    provider: Provider, recorder: Recorder, settings: Settings, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PAUSE", 0.0)
    (settings.state / "made").touch()
    recorder.answer(*INSPECT, text=container(mark))
    recorder.answer("kind", "export", code=1, once=True)
    make_anew(provider)
    assert not removed(recorder)


def test_a_living_node_that_does_not_say_how_it_is_reached_is_kept(
    provider: Provider, recorder: Recorder, settings: Settings, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PAUSE", 0.0)
    (settings.state / "made").touch()
    recorder.answer(*INSPECT, text=container(mark))
    recorder.answer("kind", "export", code=1)
    with pytest.raises(Failed, match="so it is left as it is"):
        make_anew(provider)
    assert not removed(recorder)
    assert (settings.state / "made").exists()


def test_what_an_ended_kind_left_does_not_stop_the_next(
    provider: Provider, recorder: Recorder, settings: Settings, mark: str
) -> None:
    (settings.state / "made").touch()
    lock = settings.kubeconfig.with_name("kubeconfig.lock")
    lock.touch()
    settings.kubeconfig.write_text("half: [")
    recorder.answer(*INSPECT, text=container(mark))
    make_anew(provider)
    assert recorder.calls("kind")
    assert not lock.exists()
    assert settings.kubeconfig.read_text() == ""


def test_an_engine_that_is_silent_is_not_taken_for_one_without_the_cluster(
    provider: Provider, recorder: Recorder, settings: Settings
) -> None:
    (settings.state / "made").touch()
    recorder.answer("docker", "container", "ls", code=1)
    with pytest.raises(Failed, match="docker does not say whether there is a container 'nowhere-control-plane'"):
        run(provider)
    recorder.answer("docker", "container", "ls", text=f"other\n{NODE}\n")
    with pytest.raises(Failed, match="docker does not say"):
        run(provider)
    assert recorder.calls("kind") == []
    assert (settings.state / "made").exists()


@pytest.mark.parametrize("found", ["storageclass.storage.k8s.io/standard", "persistentvolume/pvc-1"])
def test_a_complete_cluster_without_its_mark_gets_it_again(
    found: str, provider: Provider, recorder: Recorder, settings: Settings, mark: str
) -> None:
    """As when the start was ended between kind's end and the mark: the next reboot would cost the data. Its user may
    have put another storage class in the place of kind's.
    """
    recorder.answer(*INSPECT, text=container(mark))
    recorder.answer(*kubectl_words(settings), *COMPLETE, text=f"{found}\n")
    run(provider)
    assert (settings.state / "made").exists()
    assert not removed(recorder)


@pytest.mark.parametrize("answers", [1, 0], ids=["at last", "never"])
def test_a_cluster_that_may_be_complete_is_asked_again(
    answers: int, provider: Provider, recorder: Recorder, settings: Settings, mark: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The state was lost, so that nothing tells whether kind came to its end but the cluster itself."""
    monkeypatch.setattr(command, "PAUSE", 0.0)
    recorder.answer(*INSPECT, text=container(mark))
    question = (*kubectl_words(settings), *COMPLETE)
    recorder.answer(*question, text="storageclass.storage.k8s.io/standard\n", code=1 - answers)
    recorder.answer(*question, code=1, once=True)
    if answers:
        make_anew(provider)
        assert (settings.state / "made").exists()
    else:
        with pytest.raises(Failed, match=r"^cluster: The cluster answers, but does not say whether it is complete"):
            make_anew(provider)
    assert not removed(recorder)


def test_a_cluster_at_which_kind_did_not_come_to_its_end_is_made_anew(
    provider: Provider, recorder: Recorder, settings: Settings, mark: str
) -> None:
    recorder.answer(*INSPECT, text=container(mark))
    recorder.answer(*kubectl_words(settings), *COMPLETE, text="")
    assert any("a half-made cluster is removed" in line for line in make_anew(provider))
    assert removed(recorder)


def started_node(provider: Provider, monkeypatch: pytest.MonkeyPatch, seconds: float) -> Kind:
    """A provider whose waits for a node that was started again are short."""
    assert isinstance(provider, Kind)
    monkeypatch.setattr(kind, "_NOTHING_NEW_FOR", seconds)
    return provider


def test_a_node_is_waited_for_while_it_goes_on_starting_things(
    provider: Provider, recorder: Recorder, settings: Settings, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.state / "made").touch()
    recorder.answer(*INSPECT, text=container(mark))
    recorder.answer(*kubectl_words(settings), "get", "--raw=/readyz", code=1)
    said: list[str] = []

    def say(line: str) -> None:
        """The second container that starts is the API server."""
        said.append(line)
        recorder.answer("docker", "exec", NODE, "ctr", text="etcd\nkube-apiserver\n")
        if len(said) == 2:
            recorder.answer(*kubectl_words(settings), "get", "--raw=/readyz", text="ok")

    recorder.answer("docker", "exec", NODE, "ctr", text="etcd\n")
    assert started_node(provider, monkeypatch, 60)._answers_in_the_end(say)
    assert [line.split(";")[0] for line in said] == ["1 containers run in the node", "2 containers run in the node"]


@pytest.mark.parametrize(("pid", "quiet"), [(0, 600.0), (4711, 0.0)], ids=["died", "does nothing"])
def test_a_node_that_does_not_move_is_given_up(
    pid: int, quiet: float, provider: Provider, recorder: Recorder, settings: Settings, mark: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    recorder.answer(*INSPECT, text=container(mark, pid=pid))
    recorder.answer("kubectl", code=1)
    settings.kubeconfig.unlink()
    assert not started_node(provider, monkeypatch, quiet)._answers_in_the_end(print)


def test_loss_is_told_before_anything_is_removed(
    provider: Provider, recorder: Recorder, settings: Settings, mark: str
) -> None:
    (settings.state / "made").touch()
    recorder.answer(*INSPECT, text=container(mark, pid=0))
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


def test_down_removes_the_container_and_its_volumes(provider: Provider, recorder: Recorder, mark: str) -> None:
    recorder.answer(*INSPECT, text=container(mark))
    provider.down(print)
    assert recorder.calls("docker")[-1] == ["rm", "--force", "--volumes", NODE]


def test_down_of_nothing_is_fine(provider: Provider, recorder: Recorder) -> None:
    provider.down(print)
    assert {words[1] for words in recorder.calls("docker")} == {"inspect", "ls"}


def test_an_engine_that_is_away_is_a_problem(provider: Provider, recorder: Recorder) -> None:
    recorder.answer("docker", "info", code=1)
    assert provider.problems() == [
        "docker: the engine does not answer. Start Docker, or set PROVIDER=kind-podman.",
    ]
