"""How a pod speaks to Kubernetes: what it believes, and what it asks again."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.tests.lib.kubernetes import TOKEN, Answer, Kubernetes, serving, status
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.cluster import ApiError, Cluster, Unreachable

PODS = "/api/v1/namespaces/runs/pods"
JOBS = "/apis/batch/v1/namespaces/runs/jobs"
POD = {"metadata": {"name": "one", "namespace": "runs", "labels": {"a": "b"}}, "spec": {}, "status": {}}
SERVICE = {"kind": "Service", "metadata": {"name": "s"}}
SERVICES = "/api/v1/namespaces/runs/services"


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[Kubernetes]:
    """A server with one pod."""
    with serving(Kubernetes(tmp_path)) as served:
        served.put(f"{PODS}/one", POD)
        yield served


def cluster(kubernetes: Kubernetes, patience: float = 5.0) -> Cluster:
    return Cluster(kubernetes.url, kubernetes.folder, patience=patience, delay=0.01)


def test_an_object_is_read_with_the_accounts_token_and_the_clusters_certificate(kubernetes: Kubernetes) -> None:
    assert cluster(kubernetes).get(f"{PODS}/one") == POD
    (kubernetes.folder / "token").write_text("of somebody else")
    with pytest.raises(ApiError, match=r"Unauthorized \(401\)"):
        cluster(kubernetes).get(f"{PODS}/one")
    (kubernetes.folder / "token").write_text(f"{TOKEN}\n")
    assert cluster(kubernetes).get(f"{PODS}/one") == POD


def test_a_server_with_another_certificate_is_not_spoken_to(kubernetes: Kubernetes, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with serving(Kubernetes(other)):
        (other / "token").write_text(TOKEN)
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            Cluster(kubernetes.url, other, patience=0.1, delay=0.05).get(f"{PODS}/one")
    assert kubernetes.asked == []


def test_a_proxy_in_the_variables_is_not_used(kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert cluster(kubernetes).get(f"{PODS}/one") == POD


@pytest.mark.parametrize(
    "failure",
    [
        Answer(404, "<html>no such page</html>"),
        Answer(403, "denied by the gateway"),
        status(500, "InternalError", "etcdserver: request timed out"),
        status(429, "TooManyRequests", "please try again later"),
        Answer(503, "no healthy upstream"),
    ],
    ids=lambda failure: f"{failure.status}",
)
def test_what_kubernetes_did_not_say_is_asked_again(kubernetes: Kubernetes, failure: Answer) -> None:
    kubernetes.failures, kubernetes.failing = [failure, failure], "GET"
    assert cluster(kubernetes).get(f"{PODS}/one") == POD
    assert len(kubernetes.asked) == 3


def test_a_server_that_stays_away_is_given_up(kubernetes: Kubernetes) -> None:
    kubernetes.failures, kubernetes.failing = [Answer(503, "")] * 1000, "GET"
    with pytest.raises(Unreachable, match=r"has not answered for 0 seconds \(status 503\)"):
        cluster(kubernetes, patience=0.1).get(f"{PODS}/one")


def test_what_kubernetes_says_is_believed_at_once(kubernetes: Kubernetes) -> None:
    with pytest.raises(ApiError, match=r'pods "two" not found \(404\)') as raised:
        cluster(kubernetes).get(f"{PODS}/two")
    assert raised.value.code == 404
    assert len(kubernetes.asked) == 1


def test_a_creation_whose_answer_was_lost_is_there_once(kubernetes: Kubernetes) -> None:
    kubernetes.lost = [f"POST {SERVICES}"]
    cluster(kubernetes).create(SERVICES, SERVICE)
    assert kubernetes.asked == [f"POST {SERVICES}"] * 2
    assert kubernetes.objects[f"{SERVICES}/s"]["metadata"]["name"] == "s"


def test_what_is_gone_is_deleted(kubernetes: Kubernetes) -> None:
    cluster(kubernetes).delete(f"{PODS}/one")
    cluster(kubernetes).delete(f"{PODS}/one")
    assert kubernetes.objects == {}


def test_a_watch_gives_what_changes_after_its_version_and_only_what_is_chosen(kubernetes: Kubernetes) -> None:
    listed = cluster(kubernetes).get(PODS, labelSelector="a=b")
    assert [each["metadata"]["name"] for each in listed["items"]] == ["one"]
    kubernetes.put(f"{PODS}/other", {"metadata": {"name": "other", "namespace": "runs"}, "spec": {}})
    kubernetes.put(f"{PODS}/one", {**POD, "status": {"phase": "Running"}})
    kubernetes.take(f"{PODS}/one")
    events = cluster(kubernetes).watch(PODS, listed["metadata"]["resourceVersion"], 5, labelSelector="a=b")
    seen = [next(events), next(events)]
    assert [event["type"] for event in seen] == ["MODIFIED", "DELETED"]
    assert seen[0]["object"]["status"] == {"phase": "Running"}


@pytest.mark.parametrize(
    "failure",
    [
        Answer(502, ""),
        status(429, "TooManyRequests", "storage is (re)initializing"),
        status(500, "InternalError", "etcdserver: request timed out"),
    ],
    ids=lambda failure: f"{failure.status}",
)
def test_a_watch_ends_when_the_server_is_away(kubernetes: Kubernetes, failure: Answer) -> None:
    kubernetes.failures, kubernetes.failing = [failure], "WATCH"
    assert list(cluster(kubernetes).watch(PODS, "1", 5)) == []


@pytest.mark.parametrize(("code", "believed"), [(410, True), (500, False)])
def test_a_watch_that_breaks_off_with_an_error_says_only_what_kubernetes_means(
    kubernetes: Kubernetes, code: int, believed: bool
) -> None:
    error = {"kind": "Status", "code": code, "message": "no leader", "metadata": {}}
    kubernetes.events.append((kubernetes.version + 1, "ERROR", f"{PODS}/one", error))
    events = cluster(kubernetes).watch(PODS, "1", 1)
    assert next(events)["type"] == "ADDED"
    with pytest.raises(ApiError, match="no leader") if believed else nullcontext():
        assert list(events) == []


def test_a_watch_says_when_it_is_refused(kubernetes: Kubernetes) -> None:
    kubernetes.failing = "WATCH"
    kubernetes.failures = [status(410, "Expired", "too old resource version")]
    with pytest.raises(ApiError, match="too old"):
        list(cluster(kubernetes).watch(PODS, "1", 5))


@pytest.mark.parametrize("asked", ["GET", "WATCH"])
def test_what_was_allowed_before_is_asked_again_when_it_is_refused(kubernetes: Kubernetes, asked: str) -> None:
    """An API server that starts anew refuses until it has read the roles."""
    refusals = [status(403, "Forbidden", "cannot"), status(401, "Unauthorized", "Unauthorized"), Answer(503, "")]
    kubernetes.failures, kubernetes.failing = refusals[: 3 if asked == "GET" else 2], asked
    kubernetes.put(f"{PODS}/two", POD)
    allowed = replace(cluster(kubernetes), allowed=True)
    found = allowed.get(f"{PODS}/one") if asked == "GET" else next(allowed.watch(PODS, "2", 5))["object"]
    assert found == POD
    assert kubernetes.failures == []


def test_what_was_allowed_before_and_stays_refused_says_so(kubernetes: Kubernetes) -> None:
    kubernetes.failures, kubernetes.failing = [status(403, "Forbidden", "cannot")] * 1000, "GET"
    with pytest.raises(ApiError, match=r"cannot \(403\)"):
        replace(cluster(kubernetes, patience=0.1), allowed=True).get(f"{PODS}/one")
    assert len(kubernetes.asked) > 1


def test_what_was_never_allowed_is_refused_at_once(kubernetes: Kubernetes) -> None:
    kubernetes.failures, kubernetes.failing = [status(403, "Forbidden", "cannot")], "GET"
    with pytest.raises(ApiError, match=r"cannot \(403\)"):
        cluster(kubernetes).get(f"{PODS}/one")
