"""The commands, against an engine and clusters that write down what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from image_builder.cli import main

if TYPE_CHECKING:
    from images.tests.conftest import Checkout, Recorder


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    for name in ("REGISTRY", "CLUSTER", "PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    # Programs and packages of the small table exist in no registry.
    checkout.edit(lambda table: [table["images"].pop(name) for name in ("other", "fishing")])


def run(checkout: Checkout, *arguments: str) -> int:
    return main([arguments[0], "--table", str(checkout.table), *arguments[1:]])


def tags(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert run(checkout, "values") == 0
    return {name: values["image"]["tag"] for name, values in yaml.safe_load(capsys.readouterr().out).items()}


def test_docker_builds_each_image_once_on_its_base(
    checkout: Checkout, docker: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(checkout, "build") == 0
    assert run(checkout, "build") == 0
    tag = tags(checkout, capsys)
    parent, child = [call for call in docker.calls("docker") if call[0] == "build"]
    reference = f"localhost/tiny/parent:{tag['parent']}"
    assert parent[:-1] == [
        "build", "--network", "none", "--tag", reference, "--label", f"io.tributary.content={tag['parent']}",
        "--build-arg", "BASE=registry.example/python:3",
    ]  # fmt: skip
    assert child[3:5] == ["--tag", f"localhost/tiny/grown-child:{tag['grownChild']}"]
    assert child[7:-1] == ["--build-arg", f"BASE={reference}", "--build-arg", "COLOUR=red"]


def test_a_change_builds_only_what_it_touches(checkout: Checkout, docker: Recorder) -> None:
    assert run(checkout, "build") == 0
    checkout.edit(lambda table: table["images"]["grown-child"]["args"].update(COLOUR="blue"))
    assert run(checkout, "build") == 0
    built = [call[4].split(":")[0] for call in docker.calls("docker") if call[0] == "build"]
    assert built == ["localhost/tiny/parent", "localhost/tiny/grown-child", "localhost/tiny/grown-child"]


def test_list_says_what_is_cached(checkout: Checkout, docker: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(checkout, "build", "parent") == 0
    capsys.readouterr()
    assert run(checkout, "list") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["NAME", "TAG", "SIZE", "STATE"]
    assert [[line[0], *line[2:]] for line in lines[1:]] == [
        ["parent", "1", "MiB", "cached"],
        ["grown-child", "-", "to", "build"],
    ]


def test_values_name_each_image_under_its_key(
    checkout: Checkout, docker: Recorder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(checkout, "values", "--registry", "registry.example/team/") == 0
    values = yaml.safe_load(capsys.readouterr().out)
    assert set(values) == {"grownChild", "parent"}
    assert values["grownChild"]["image"]["repository"] == "registry.example/team/tiny/grown-child"
    assert (
        run(checkout, "values", "--registry", "registry.example/team", "--output", str(tmp_path / "a/values.yaml")) == 0
    )
    assert yaml.safe_load((tmp_path / "a/values.yaml").read_text()) == values


def test_values_need_no_engine_when_the_bases_are_known(
    checkout: Checkout, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(recorder.folder))
    assert run(checkout, "values", "--bases", "registry") == 0


def test_kind_on_docker_is_told_to_load(
    checkout: Checkout, docker: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.add("kind")
    assert run(checkout, "load", "--cluster", "mine") == 0
    tag = tags(checkout, capsys)
    (call,) = docker.calls("kind")
    assert call == [
        "load", "docker-image", "--name", "mine",
        f"localhost/tiny/parent:{tag['parent']}", f"localhost/tiny/grown-child:{tag['grownChild']}",
    ]  # fmt: skip


def test_minikube_gets_an_archive_of_what_it_lacks(
    checkout: Checkout, docker: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    tag = tags(checkout, capsys)
    docker.add("minikube", f'[ "$4" = ls ] && echo localhost/tiny/parent:{tag["parent"]}; true')
    assert run(checkout, "load", "--provider", "minikube", "--cluster", "mine") == 0
    *looks, load = docker.calls("minikube")
    assert looks == [["--profile", "mine", "image", "ls"]] * 2
    assert load[:4] == ["--profile", "mine", "image", "load"]
    (save,) = [call for call in docker.calls("docker") if call[0] == "save"]
    assert save == ["save", "--output", load[4], f"localhost/tiny/grown-child:{tag['grownChild']}"]
    assert not Path(load[4]).exists()


def test_minikube_with_everything_is_left_alone(
    checkout: Checkout, docker: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    there = "\\n".join(
        f"localhost/tiny/{name}:{tag}"
        for name, tag in zip(["grown-child", "parent"], tags(checkout, capsys).values(), strict=True)
    )
    docker.add("minikube", f"printf '{there}\\n'")
    assert run(checkout, "load", "--provider", "minikube") == 0
    assert docker.calls("minikube") == [["--profile", "tributary", "image", "ls"]] * 2


def test_kind_on_podman_gets_what_its_node_lacks(
    checkout: Checkout, podman: Recorder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(checkout, "values", "--bases", "registry") == 0
    tag = {name: values["image"]["tag"] for name, values in yaml.safe_load(capsys.readouterr().out).items()}
    parent, child = f"localhost/tiny/parent:{tag['parent']}", f"localhost/tiny/grown-child:{tag['grownChild']}"
    monkeypatch.setenv("HAVE", f"{parent} application/x sha256:1 1MiB linux/amd64 io.tributary.content={tag['parent']}")
    assert run(checkout, "load", "--engine", "podman", "--bases", "registry", "--cluster", "mine") == 0
    ctr = ["exec", "--interactive", "mine-control-plane", "ctr", "--namespace", "k8s.io", "images"]
    calls = [call for call in podman.calls("podman") if call[0] in ("save", "exec")]
    assert ["save", "--multi-image-archive", "--format", "docker-archive", child] in calls
    assert [*ctr, "import", "-"] in calls
    assert calls[-1] == [*ctr, "label", child, f"io.tributary.content={tag['grownChild']}"]
    assert not [call for call in calls if parent in call]


def test_an_image_of_upstream_s_name_is_loaded_again_when_its_content_changed(
    checkout: Checkout, podman: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.edit(lambda table: table["images"]["parent"].update(repository="registry.example/up", tag="v1"))
    monkeypatch.setenv(
        "HAVE", "registry.example/up:v1 application/x sha256:1 1MiB linux/amd64 io.tributary.content=old"
    )
    assert run(checkout, "load", "parent", "--engine", "podman", "--bases", "registry", "--cluster", "mine") == 0
    assert [call[-1] for call in podman.calls("podman") if call[0] == "save"] == ["registry.example/up:v1"]


def test_push_names_the_registry(checkout: Checkout, docker: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(checkout, "push", "--registry", "registry.example/team", "parent") == 0
    tag = tags(checkout, capsys)["parent"]
    there = f"registry.example/team/tiny/parent:{tag}"
    calls = [call for call in docker.calls("docker") if call[0] in ("tag", "push")]
    assert calls == [["tag", f"localhost/tiny/parent:{tag}", there], ["push", there]]


def test_save_writes_one_archive(checkout: Checkout, docker: Recorder, tmp_path: Path) -> None:
    assert run(checkout, "save", "--output", str(tmp_path / "all.tar")) == 0
    assert (tmp_path / "all.tar").read_text() == "archive\n"
    assert [path.name for path in tmp_path.glob("all.tar*")] == ["all.tar"]


@pytest.mark.parametrize(
    "arguments", [("build",), ("load",), ("save", "--output", "all.tar"), ("push", "--registry", "registry.example")]
)
def test_a_dry_run_only_says(
    checkout: Checkout, docker: Recorder, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    docker.add("kind")
    assert run(checkout, *arguments, "--dry-run") == 0
    assert "would be built on registry.example/python:3" in capsys.readouterr().err
    assert {call[0] for call in docker.calls("docker")} <= {"info", "image"}
    assert docker.calls("kind") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build", "lost"), "there is no image 'lost'"),
        (("push",), "push: no registry is named"),
        (("push", "--registry", "https://registry.example"), "is not HOST/FOLDER"),
        (("save", "--output", "/nowhere/all.tar"), "there is no such folder"),
        (("load", "--provider", "minikube"), "minikube: not on PATH"),
        (("load",), "kind: not on PATH"),
    ],
)
def test_the_user_s_mistakes_end_with_two_and_one_sentence(
    checkout: Checkout, docker: Recorder, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(checkout, *arguments) == 2
    error = capsys.readouterr().err.splitlines()
    assert said in error[-1]


def test_no_engine_at_all_is_said(
    checkout: Checkout, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(recorder.folder))
    assert run(checkout, "list") == 2
    assert "Start Docker or install podman" in capsys.readouterr().err


def test_a_docker_engine_that_was_asked_for_must_answer(
    checkout: Checkout, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder.add("docker", "exit 1")
    assert run(checkout, "build", "--engine", "docker") == 2
    assert "the Docker engine does not answer" in capsys.readouterr().err


def test_a_build_that_fails_ends_with_one_and_its_log(
    checkout: Checkout, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder.add("docker", '[ "$1" = build ] && echo "COPY failed" && exit 1; [ "$1" = info ]')
    assert run(checkout, "build") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "(COPY failed)" in error
    assert Path(error.split("Look at ")[1].rstrip(".")).read_text() == "COPY failed\n"


def test_a_cluster_that_does_not_run_is_refused(
    checkout: Checkout, docker: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.add("minikube", "exit 1")
    assert run(checkout, "load", "--provider", "minikube", "--cluster", "mine") == 2
    assert "mine: minikube knows no running profile" in capsys.readouterr().err
    assert not [call for call in docker.calls("docker") if call[0] == "build"]
