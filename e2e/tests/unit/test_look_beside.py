"""`make install CONTEXT=… DRY_RUN=1`: all that the start would refuse is refused, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import installer.__main__ as installer
from installer import playbooks, tools
from laptop.recorder import Recorder

CONTEXT = {
    "apiVersion": "v1",
    "kind": "Config",
    "contexts": [{"name": "kind-mine", "context": {"cluster": "mine", "user": "mine"}}],
}
# Answers what its words hold first; a word that stands in the file `no` is answered by an exit code.
_KUBECTL = """\
#!/bin/sh
while read -r word; do case "$*" in *"$word"*) exit 1;; esac; done <{no}
case "$*" in config*) cat {kubeconfig};; *readyz*) printf ok;; *) echo there;; esac
"""

Played = list[tuple[str, dict[str, Any], tuple[str, ...], str]]


@pytest.fixture
def no(tmp_path: Path, recorder: Recorder) -> Path:
    """The file with what kubectl says no to; without lines there is a cluster with Kubeflow Pipelines."""
    file, kubeconfig = tmp_path / "no", tmp_path / "kubeconfig"
    file.touch()
    kubeconfig.write_text(yaml.safe_dump(CONTEXT))
    program = recorder.folder / "bin" / "kubectl"
    program.write_text(_KUBECTL.format(no=file, kubeconfig=kubeconfig))
    program.chmod(0o755)
    return file


@pytest.fixture
def cache(tmp_path: Path, no: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A first use: the cache is not even there."""
    for name in ("PROVIDER", "PROFILE", "RELEASE", "REGISTRY", "PORT", "NAMESPACE", "KUBEFLOW_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CONTEXT", "kind-mine")
    monkeypatch.setenv("KUBECONFIG", str(no.with_name("kubeconfig")))
    return tmp_path / "cache"


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """The playbooks that were run, with the kubeconfig that they found; no other program is called."""
    found: Played = []

    def run(_settings: object, name: str, given: dict[str, Any], *words: str) -> None:
        found.append((name, given, words, Path(given["tributary_kubeconfig"]).read_text()))

    monkeypatch.setattr(playbooks, "run", run)
    monkeypatch.setattr(tools, "helm", lambda _settings: Path("helm"))
    monkeypatch.setattr(installer, "command", lambda *_words, **_more: None)
    return found


def test_the_playbooks_check_all_that_they_would_change(
    cache: Path, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installer.main(["install", "--dry-run"]) == 0
    ((name, given, words, kubeconfig),) = played
    assert (name, words) == ("install", ("--check", "--diff"))
    assert yaml.safe_load(kubeconfig) == CONTEXT
    assert Path(given["tributary_client_dir"]).is_relative_to(cache)
    assert not Path(given["tributary_kubeconfig"]).exists()
    assert not cache.exists()
    said = capsys.readouterr().out
    assert "Kubeflow Pipelines is in namespace kubeflow already; it is left as it is." in said
    assert "would put in" not in said


def test_a_cluster_without_kubeflow_pipelines_is_refused(
    cache: Path, no: Path, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    no.write_text("service\n")
    assert installer.main(["install", "--dry-run"]) == 2
    assert capsys.readouterr().err.startswith("KUBEFLOW_NAMESPACE: 'kind-mine' has no Kubeflow Pipelines ")
    assert played == []
    assert not cache.exists()


def test_a_cluster_that_does_not_answer_ends_as_the_start_would(
    cache: Path, no: Path, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    no.write_text("readyz\n")
    assert installer.main(["install", "--dry-run"]) == 1
    said = capsys.readouterr().err
    assert said == "The cluster behind 'kind-mine' does not answer. Try `kubectl version` with it.\n"
    assert played == []
    assert not cache.exists()


def test_the_harness_alone_claims_no_more_than_that_it_would_look(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cluster.cli import main

    assert main(["kubeflow", "--dry-run"]) == 0
    assert capsys.readouterr().out == "  would look for Kubeflow Pipelines in namespace kubeflow, which must be there\n"
    assert not cache.exists()
