"""`make install` refuses what it can know to be wrong before it makes anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from installer.__main__ import main

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no word of the user but it."""
    for name in ("CONTEXT", "PROVIDER", "PROFILE", "RELEASE", "REGISTRY", "PORT", "NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLUSTER", "nowhere")
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    (tmp_path / "kubeconfig").write_text("contexts: [{name: eks-1}]")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path / "cache"


def refused(words: Sequence[str], cache: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines with which an install ends that made nothing."""
    assert main(["install", *words]) == 2
    assert not cache.exists()
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RELEASE", "r" * 37, f"RELEASE: {'r' * 37!r} is no Kubernetes name of at most 36 characters. "),
        ("RELEASE", "1st", "RELEASE: '1st' begins the names of Services. "),
        ("PROFILE", "laptop", "PROFILE: the chart has no profile 'laptop'. Use one of kind, production."),
        ("CONTEXT", "eks-1", "CONTEXT: 'eks-1' is no kind cluster, so images cannot be loaded into it. "),
        ("CONTEXT", "eks-2", "CONTEXT: 'eks-2' is not in your kubeconfig, which knows eks-1. "),
    ],
)
def test_a_wrong_word(
    name: str, value: str, said: str, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    (line,) = refused([], cache, capsys)
    assert line.startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "database:\n  hots: somewhere\n",
            "at database: Additional properties are not allowed ('hots' was unexpected)",
        ),
        ("database: {mode: elsewhere}\n", "at database.mode: 'elsewhere' is not one of"),
        ("- database\n", "is no mapping of values"),
        ("database: [\n", "is no YAML"),
        (None, "no such file"),
    ],
    ids=["unknown key", "wrong value", "no mapping", "no YAML", "no file"],
)
def test_wrong_values(
    text: str | None, said: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.yaml"
    if text is not None:
        file.write_text(text)
    (line,) = refused(["--values", str(file)], cache, capsys)
    assert line.startswith("VALUES: ")
    assert str(file) in line
    assert said in line


def test_all_problems_at_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROFILE", "laptop")
    lines = refused(["--values", str(tmp_path / "a.yaml"), "--values", str(tmp_path / "b.yaml")], cache, capsys)
    assert [line.split(":")[0] for line in lines] == ["PROFILE", "VALUES", "VALUES"]


@pytest.mark.parametrize("profile", ["kind", "production"])
def test_what_the_chart_brings_is_fine(profile: str) -> None:
    from installer import inputs

    assert list(inputs._values(profile, [])) == []
    assert list(inputs._values("kind", [ROOT / "charts" / "tributary" / "profiles" / f"{profile}.yaml"])) == []


def test_files_count_together_as_helm_takes_them(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from installer import inputs

    tokens, secrets, hots = tmp_path / "tokens.yaml", tmp_path / "secrets.yaml", tmp_path / "hots.yaml"
    tokens.write_text("metadataService: {auth: {tokens: true}}\n")
    secrets.write_text("metadataService: {auth: {adminSecret: ours}}\n")
    hots.write_text("metadataService: {hots: 1}\n")
    assert list(inputs._values("kind", [tokens, secrets])) == []
    (line,) = refused(["--values", str(hots), "--values", str(secrets), "--values", str(tokens)], cache, capsys)
    assert line.startswith(f"VALUES: {hots}, at metadataService: ")
    (line,) = refused(["--values", str(secrets)], cache, capsys)
    assert line.startswith(f"VALUES: {secrets}, at metadataService.auth.adminSecret: ")


def test_a_look_makes_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """On a machine without a cluster. What it needs to know it asks; podman is not asked before it has anything."""
    monkeypatch.setenv("PROVIDER", "kind-podman")
    code = main(["install", "--dry-run"])
    said = capfd.readouterr()
    assert not cache.exists()
    if code == 0:
        assert ["would run" in line for line in said.out.splitlines() if line.split()[:1] == ["cluster"]] == [True]
    else:
        # This machine cannot hold such a cluster, and that is all that a look may say.
        assert code == 2
        assert said.out.count("PROVIDER: ") + said.out.count("CACHE: ") > 0


def test_what_is_not_there_yet_is_named_with_the_install_that_makes_it(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env"]) == 2
    assert capsys.readouterr().err == (
        f"{cache}/clusters/nowhere/client/env.sh: not there yet. "
        f"Run `make install CLUSTER=nowhere CACHE={cache}` first.\n"
    )


def test_a_program_that_is_not_known(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["programs", "helm", "vim"]) == 2
    said = capsys.readouterr().err
    assert said == "programs: vim is not known. Choose from helm, kubectl, etcd, kube-apiserver.\n"
