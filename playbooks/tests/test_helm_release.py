"""A release is put in, left alone, changed, repaired and taken out: real helm on a real API server."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from playbooks.library.helm_release import Act, differences, reasons
from playbooks.module_utils.helm_cli import Release
from playbooks.tests.bare_kubernetes import BareKubernetes
from playbooks.tests.conftest import Run

CHART = {
    "Chart.yaml": "{apiVersion: v2, name: sample, version: 0.1.0}",
    "values.yaml": "{word: one, hook: one, replicas: 0, hookFails: false, job: false, secret: aGlkZGVu}",
    "templates/settings.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data: {word: {{ .Values.word }}}
""",
    "templates/hidden.yaml": """
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-hidden}
data: {password: {{ .Values.secret }}}
""",
    "templates/server.yaml": """
{{- if .Values.replicas }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}-server}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec: {containers: [{name: server, image: sample}]}
{{- end }}
""",
    "templates/job.yaml": """
{{- if .Values.job }}
apiVersion: batch/v1
kind: Job
metadata: {name: {{ .Release.Name }}-job}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: sample}]}}}
{{- end }}
""",
    "templates/hook.yaml": """
apiVersion: {{ .Values.hookFails | ternary "batch/v1" "v1" }}
kind: {{ .Values.hookFails | ternary "Job" "ConfigMap" }}
metadata: {name: {{ .Release.Name }}-hook, annotations: {"helm.sh/hook": "post-install,post-upgrade"}}
{{- if .Values.hookFails }}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: hook, image: sample}]}}}
{{- else }}
data: {word: {{ .Values.hook }}}
{{- end }}
""",
}


def release(manifest: str = "", *, status: str = "deployed", hooks: tuple[str, ...] = (), **values: Any) -> Release:
    return Release(status, 1, values, manifest, hooks)


def test_nothing_changes_when_all_is_the_same() -> None:
    assert reasons(release("a", hooks=("h", "g"), b=1), release("a", hooks=("g", "h"), b=1), []) == []


@pytest.mark.parametrize(
    ("deployed", "lost", "why"),
    [
        (None, [], "it is not installed"),
        (release("a", status="failed"), [], "its status is failed"),
        (release("b"), [], "its objects differ"),
        (release("a", hooks=("h",)), [], "its hooks differ"),
        (release("a", b=1), [], "its values differ"),
        (release("a"), ["Service s is gone"], "Service s is gone"),
    ],
)
def test_every_reason_is_said(deployed: Release | None, lost: list[str], why: str) -> None:
    assert reasons(deployed, release("a"), lost) == [why]


def test_only_objects_that_differ_are_in_the_diff_and_secrets_without_values() -> None:
    same = "kind: ConfigMap\nmetadata: {name: same}\n"
    before = same + "---\nkind: Secret\nmetadata: {name: s}\ndata: {a: Zmlyc3Q=}\n"
    after = same + "---\nkind: Secret\nmetadata: {name: s}\ndata: {a: c2Vjb25k}\n"
    (found,) = differences(release(before), release(after))
    assert found["before_header"] == "Secret s"
    assert "(hidden, another than before)" in found["after"]
    assert "Zmlyc3Q" not in found["before"] + found["after"]
    assert "c2Vjb25k" not in found["before"] + found["after"]


class Orphaning:
    """A Kubernetes API in which a StatefulSet that is deleted is gone when it has been asked for once more."""

    def __init__(self, order: str) -> None:
        self.found = [{"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"podManagementPolicy": order}}] * 2
        self.deleted: list[bool] = []

    def get(self, _version: str, _kind: str, _namespace: str, _name: str) -> Any:
        if not self.deleted:
            return self.found[0]
        return self.found.pop() if self.found else None

    def delete(self, _definition: Any, *, orphans: bool) -> None:
        self.deleted.append(orphans)


@pytest.mark.parametrize(("order", "deleted"), [("OrderedReady", [True]), ("Parallel", [])])
def test_a_stateful_set_that_cannot_be_changed_is_replaced_and_its_pods_stay(order: str, deleted: list[bool]) -> None:
    wished = release(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {podManagementPolicy: Parallel}\n"
    )
    api = Orphaning(order)
    params = {"name": "sample", "chart": "chart", "timeout": 60, "pending_grace": 0}
    Act(cast(Any, api), cast(Any, SimpleNamespace(namespace="there")), params, []).make_way(wished)
    assert api.deleted == deleted
    assert (api.found == []) == bool(deleted), "it waits until the old one is gone"


@pytest.fixture
def chart(tmp_path: Path) -> str:
    for name, text in CHART.items():
        file = tmp_path / "chart" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(tmp_path / "chart")


@pytest.fixture
def arguments(bare: BareKubernetes, chart: str, helm: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    namespace = request.node.name.replace("_", "-")[5:40].strip("-")
    bare.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    place = {"kubeconfig": bare.kubeconfig, "context": bare.context, "namespace": namespace}
    return {**place, "helm": helm, "name": "sample", "chart": chart, "timeout": 3, "pending_grace": 0}


def make_ready(bare: BareKubernetes, namespace: str) -> None:
    """What the controllers would do, had this cluster any."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/sample-server"
    found = bare.api.ask("GET", path).json()
    count = found["spec"]["replicas"]
    found["status"] = {"observedGeneration": found["metadata"]["generation"]}
    found["status"] |= {key: count for key in ("replicas", "updatedReplicas", "readyReplicas")}
    assert bare.api.ask("PUT", f"{path}/status", body=found).status == 200


def job(bare: BareKubernetes, namespace: str, *conditions: str) -> dict[str, str]:
    """End the chart's Job as the controllers would; gives its uid, and what is said of one that failed."""
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/sample-job"
    found = bare.api.ask("GET", path).json()
    now = found["metadata"]["creationTimestamp"]
    said = {"reason": "BackoffLimitExceeded", "message": "it has failed too often"}
    found["status"] = {"conditions": [{"type": each, "status": "True", **said} for each in reversed(conditions)]}
    found["status"] |= {"startTime": now} | (
        {"completionTime": now, "succeeded": 1} if "Complete" in conditions else {}
    )
    answer = bare.api.ask("PUT", f"{path}/status", body=found)
    assert answer.status == 200, answer.json()
    why = f"Job sample-job: the job failed ({said['reason']}: {said['message']})"
    return {"uid": found["metadata"]["uid"], "why": why}


def word(bare: BareKubernetes, namespace: str) -> Any:
    found = bare.look("ConfigMap", namespace, "sample-settings")
    return found and found["data"]["word"]


@pytest.mark.server
def test_install_again_change_again_and_uninstall_again_each_under_check_mode_first(
    bare: BareKubernetes, arguments: dict[str, Any], run: Run
) -> None:
    namespace = arguments["namespace"]
    before = None
    for values, after, why in (([], "one", "it is not installed"), ([{"word": "two"}], "two", "its objects differ")):
        looked = run("helm_release", check=True, **arguments, values=values)
        assert (looked["changed"], looked["reasons"][0], word(bare, namespace)) == (True, why, before)
        assert looked["config_maps"]["sample-settings"] == {"word": after}
        assert "aGlkZGVu" not in json.dumps(looked)
        run("helm_release", **arguments, values=values)
        assert word(bare, namespace) == after
        for check in (True, False):
            again = run("helm_release", check=check, **arguments, values=values)
            assert (again["changed"], again["reasons"], again["diff"]) == (False, [], [])
        before = after
    gone = {**arguments, "state": "absent"}
    for check, changed, left in ((True, True, "two"), (False, True, None), (True, False, None), (False, False, None)):
        assert run("helm_release", check=check, **gone)["changed"] is changed
        assert word(bare, namespace) == left


@pytest.mark.server
def test_a_look_at_a_namespace_that_is_not_there_yet(bare: BareKubernetes, arguments: dict[str, Any], run: Run) -> None:
    looked = run("helm_release", check=True, **{**arguments, "namespace": "not-there-yet"})
    assert (looked["changed"], looked["config_maps"]["sample-settings"]) == (True, {"word": "one"})


@pytest.mark.server
def test_other_hooks_and_other_values_are_changes(arguments: dict[str, Any], run: Run) -> None:
    run("helm_release", **arguments)
    hooks = run("helm_release", check=True, **arguments, values=[{"hook": "two"}])
    assert hooks["reasons"] == ["its hooks differ", "its values differ"]
    values = run("helm_release", check=True, **arguments, values=[{"unused": "a"}])
    assert values["reasons"] == ["its values differ"]


@pytest.mark.server
def test_an_object_that_somebody_deleted_is_put_back(bare: BareKubernetes, arguments: dict[str, Any], run: Run) -> None:
    run("helm_release", **arguments)
    namespace = arguments["namespace"]
    metadata = {"name": "sample-settings", "namespace": namespace}
    bare.api.delete({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    assert run("helm_release", **arguments)["reasons"] == ["ConfigMap sample-settings is gone"]
    assert word(bare, namespace) == "one"


@pytest.mark.server
def test_a_job_that_failed_for_good_is_made_anew(bare: BareKubernetes, arguments: dict[str, Any], run: Run) -> None:
    values = [{"job": True}]
    run("helm_release", **arguments, values=values)
    first = job(bare, arguments["namespace"], "Failed", "FailureTarget")
    looked = run("helm_release", check=True, **arguments, values=values)
    assert looked["reasons"] == [first["why"]]
    run("helm_release", **arguments, values=values)
    second = job(bare, arguments["namespace"], "Complete", "SuccessCriteriaMet")
    assert second["uid"] != first["uid"]
    assert not run("helm_release", **arguments, values=values)["changed"]


@pytest.mark.server
def test_what_is_not_ready_is_named_with_pod_reason_and_last_events(
    bare: BareKubernetes, arguments: dict[str, Any], run: Run
) -> None:
    namespace = arguments["namespace"]
    metadata = {"name": "sample-server-1", "namespace": namespace, "labels": {"app": "server"}}
    bare.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": [{"name": "server", "image": "nowhere/sample"}]},
        }
    )
    path = f"/api/v1/namespaces/{namespace}/pods/sample-server-1"
    pod = bare.api.ask("GET", path).json()
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "nowhere/sample"'}
    container = {"name": "server", "state": {"waiting": waiting}, "ready": False, "restartCount": 0}
    pod["status"] = {"containerStatuses": [{**container, "image": "nowhere/sample", "imageID": ""}]}
    assert bare.api.ask("PUT", f"{path}/status", body=pod).status == 200
    bare.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "failed", "namespace": namespace},
            "involvedObject": {"kind": "Pod", "name": "sample-server-1", "namespace": namespace},
            "type": "Warning",
            "reason": "Failed",
            "message": "no such host",
            "lastTimestamp": "2026-01-01T00:00:00Z",
        }
    )
    refused = run("helm_release", **{**arguments, "timeout": 1}, values=[{"replicas": 1}])
    assert refused["msg"] == (
        f"Release sample in namespace {namespace}: not ready within 1 s.\n"
        "Deployment sample-server: its controller has not looked at it yet; pod sample-server-1: "
        'container server waits (ImagePullBackOff: Back-off pulling image "nowhere/sample"); '
        f"last events: Failed: no such host. "
        f"See: kubectl --context bare --namespace {namespace} describe pod sample-server-1"
    )
    make_ready(bare, namespace)
    assert not run("helm_release", **arguments, values=[{"replicas": 1}])["changed"]


@pytest.mark.server
def test_a_release_that_failed_is_repaired(bare: BareKubernetes, arguments: dict[str, Any], run: Run) -> None:
    refused = run("helm_release", **{**arguments, "timeout": 1}, values=[{"hookFails": True}])
    assert "post-install" in refused["msg"]
    assert "Job sample-hook: the job has not finished; it has no pods." in refused["msg"]
    assert run("helm_release", check=True, **arguments)["reasons"][0] == "its status is failed"
    repaired = run("helm_release", **arguments)
    assert repaired.get("changed"), repaired["msg"]
    assert not run("helm_release", **arguments)["changed"]


@pytest.mark.server
@pytest.mark.parametrize("revision", [1, 2])
def test_a_release_whose_helm_was_killed_is_repaired(
    bare: BareKubernetes, arguments: dict[str, Any], run: Run, revision: int
) -> None:
    namespace = arguments["namespace"]
    run("helm_release", **arguments)
    if revision == 2:
        run("helm_release", **arguments, values=[{"word": "two"}])
    _cut_off(bare, namespace, revision)
    looked = run("helm_release", check=True, **arguments)
    assert (looked["changed"], looked["reasons"]) == (True, ["its status is pending-upgrade"])
    assert run("helm_release", **arguments)["reasons"] == ["its status is pending-upgrade"]
    assert word(bare, namespace) == "one"
    assert not run("helm_release", **arguments)["changed"]


@pytest.mark.server
def test_values_that_the_chart_refuses_are_said_in_its_words(
    bare: BareKubernetes, arguments: dict[str, Any], run: Run
) -> None:
    schema = {"type": "object", "properties": {"word": {"type": "string"}}}
    (Path(arguments["chart"]) / "values.schema.json").write_text(json.dumps(schema))
    refused = run("helm_release", check=True, **arguments, values=[{"word": 1}])
    assert refused["msg"] == "Values at '/word': got number, want string. Correct the values file."


@pytest.mark.server
def test_a_namespace_that_is_not_there_is_said(bare: BareKubernetes, arguments: dict[str, Any], run: Run) -> None:
    refused = run("helm_release", **{**arguments, "namespace": "nowhere"})
    assert 'namespaces "nowhere" not found' in refused["msg"]


@pytest.mark.server
def test_helm_itself_agrees(bare: BareKubernetes, arguments: dict[str, Any], run: Run) -> None:
    """What the module leaves is an ordinary release that its user can go on with by hand."""
    run("helm_release", **arguments, values=[{"word": "two"}])
    command = [arguments["helm"], "list", "--namespace", arguments["namespace"], "--output", "json"]
    place = ["--kubeconfig", bare.kubeconfig, "--kube-context", bare.context]
    (found,) = json.loads(subprocess.run([*command, *place], capture_output=True, check=True).stdout)
    assert (found["name"], found["status"], found["revision"]) == ("sample", "deployed", "1")


def _cut_off(bare: BareKubernetes, namespace: str, revision: int) -> None:
    """Leave the record as a killed helm does: pending, in the label and in the stored release."""
    path = f"/api/v1/namespaces/{namespace}/secrets/sh.helm.release.v1.sample.v{revision}"
    record = bare.api.ask("GET", path).json()
    stored = yaml.safe_load(gzip.decompress(base64.b64decode(base64.b64decode(record["data"]["release"]))))
    stored["info"]["status"] = "pending-upgrade"
    packed = base64.b64encode(gzip.compress(json.dumps(stored).encode()))
    record["data"]["release"] = base64.b64encode(packed).decode()
    record["metadata"]["labels"]["status"] = "pending-upgrade"
    assert bare.api.ask("PUT", path, body=record).status == 200
