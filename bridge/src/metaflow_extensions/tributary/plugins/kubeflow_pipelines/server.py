"""What Kubeflow Pipelines holds and does, by its REST API v2beta1. Only this and connection.py talk to it."""

import base64
import gzip
import json
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import access
from .access import NAMESPACE_SETTING, Keys
from .compiler.capabilities import Capabilities
from .compiler.capabilities import of as capabilities_of
from .connection import Conflict, Connection, Json, NotFound
from .refusals import Refused

__all__ = [
    "Conflict",
    "Identity",
    "NotFound",
    "Pipeline",
    "RecurringRun",
    "Run",
    "Server",
    "Stored",
    "Task",
    "Version",
]

# The experiment of runs for which nobody named one; Kubeflow Pipelines makes it itself.
DEFAULT_EXPERIMENT = "Default"

# How many runs of one schedule may be under way; the most that the API takes. Metaflow's schedules know no limit.
MAX_CONCURRENCY = 10


@dataclass(frozen=True)
class Identity:
    """What the server says it is."""

    version: str
    multi_user: bool


@dataclass(frozen=True)
class Pipeline:
    """A pipeline, as far as deploying needs it."""

    id: str
    name: str
    description: str


@dataclass(frozen=True)
class Version:
    """A version of a pipeline."""

    id: str
    name: str
    description: str = ""
    created: str = ""


@dataclass(frozen=True)
class Stored:
    """A version as the server holds it: its description, and its documents as the server reads them, which are both,
    or the pipeline's alone if it sees no other.
    """

    description: str
    documents: Json


@dataclass(frozen=True)
class Task:
    """A task of a run as the API tells it: a name that Argo shows, and a state."""

    name: str
    state: str


@dataclass(frozen=True)
class Run:
    """A run: its state in the API's words, and what the server says went wrong with the run as a whole."""

    id: str
    name: str
    state: str
    error: str | None
    pipeline_id: str | None
    version_id: str | None
    tasks: tuple[Task, ...]
    created: str = ""


@dataclass(frozen=True)
class RecurringRun:
    """A schedule: what it runs, when, and where. `cron` is empty for one that runs at intervals."""

    id: str
    name: str
    pipeline_id: str | None
    version_id: str | None
    cron: str
    enabled: bool
    experiment_id: str | None = None
    description: str = ""


class Server:
    """A Kubeflow Pipelines at a URL. Every method raises Refused with one sentence when it cannot do its work."""

    def __init__(self, url: str | None, namespace: str | None = None, keys: Keys | None = None) -> None:
        self._connection = Connection(access.door(url, keys or Keys()))
        self._api, self._client = self._connection.api, self._connection.client
        self._ask, self._pages = self._connection.ask, self._connection.pages
        self.url = self._connection.url
        answer = self._connection.identify()
        self.identity = Identity(str(answer.get("tag_name") or "unknown"), bool(answer.get("multi_user")))
        if self.identity.multi_user and not namespace:
            raise Refused(
                f"Kubeflow Pipelines at {self.url}: serves several users, each in a namespace. "
                f"Say which: --kubeflow-namespace or {NAMESPACE_SETTING}."
            )
        self._where = {"namespace": namespace} if namespace and self.identity.multi_user else {}

    @property
    def namespace(self) -> str | None:
        """The namespace of runs; None where the server serves one user and takes no namespace."""
        return self._where.get("namespace")

    def capabilities(self, said: str | None = None) -> Capabilities:
        """What this server understands, by the version that it tells, or that the user said in its place."""
        if said:
            return capabilities_of(said, "the version that was said")
        return capabilities_of(self.identity.version, f"Kubeflow Pipelines at {self.url}")

    def find_pipeline(self, name: str) -> Pipeline | None:
        """The pipeline of this name, or None when the server says that there is none."""
        service = self._api.PipelineServiceApi(self._client)
        try:
            return _pipeline(self._ask(service.pipeline_service_get_pipeline_by_name, name, **self._where))
        except NotFound:
            return None

    def has_pipeline(self, pipeline_id: str) -> bool:
        """Whether there is a pipeline of this id. Only the server's own word counts for that there is none."""
        try:
            self._ask(self._api.PipelineServiceApi(self._client).pipeline_service_get_pipeline, pipeline_id)
        except NotFound:
            return False
        return True

    def pipelines(self) -> Iterator[Pipeline]:
        """All pipelines, by name."""
        service = self._api.PipelineServiceApi(self._client)
        for answer in self._pages(service.pipeline_service_list_pipelines, sort_by="name", **self._where):
            yield from map(_pipeline, answer.get("pipelines", []))

    def create_pipeline(self, name: str, description: str) -> Pipeline:
        """Make a pipeline without versions."""
        service = self._api.PipelineServiceApi(self._client)
        body = {"name": name, "display_name": name, "description": description, **self._where}
        return _pipeline(self._ask(service.pipeline_service_create_pipeline, body))

    def delete_pipeline(self, pipeline: Pipeline) -> None:
        """Delete the pipeline and its versions. Runs that it made stay. One that is gone already is no error.

        The newest version goes last: it is the one that runs and says whose the pipeline is, also when this breaks off.
        """
        service = self._api.PipelineServiceApi(self._client)
        for version in reversed(list(self.versions(pipeline))):
            self.delete_version(pipeline, version)
        self._delete(service.pipeline_service_delete_pipeline, pipeline.id)

    def versions(self, pipeline: Pipeline) -> Iterator[Version]:
        """The pipeline's versions, newest first."""
        service = self._api.PipelineServiceApi(self._client)
        pages = self._pages(service.pipeline_service_list_pipeline_versions, pipeline.id, sort_by="created_at desc")
        for answer in pages:
            for each in answer.get("pipeline_versions", []):
                yield _version(each)

    def upload_version(self, pipeline: Pipeline, name: str, text: str, description: str) -> Version:
        """Add a version with these documents. Conflict when the name is taken."""
        service = self._api.PipelineUploadServiceApi(self._client)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f"{name}.yaml")
            file.write_text(text, encoding="utf-8")
            answer = self._ask(
                service.upload_pipeline_version,
                str(file),
                pipelineid=pipeline.id,
                name=name,
                display_name=name,
                description=description,
            )
        return _version({"name": name, **answer})

    def stored(self, pipeline: Pipeline, version: Version) -> Stored:
        """The version as the server holds it."""
        service = self._api.PipelineServiceApi(self._client)
        answer = self._ask(service.pipeline_service_get_pipeline_version, pipeline.id, version.id)
        return Stored(answer.get("description") or "", dict(answer.get("pipeline_spec") or {}))

    def documents(self, pipeline: Pipeline, version: Version) -> Json:
        """The version's documents as the server reads them."""
        return self.stored(pipeline, version).documents

    def delete_version(self, pipeline: Pipeline, version: Version) -> None:
        """Delete this version alone. One that is gone already is no error."""
        service = self._api.PipelineServiceApi(self._client)
        self._delete(service.pipeline_service_delete_pipeline_version, pipeline.id, version.id)

    def recurring_runs(self) -> Iterator[RecurringRun]:
        """All schedules of the namespace."""
        service = self._api.RecurringRunServiceApi(self._client)
        for answer in self._pages(service.recurring_run_service_list_recurring_runs, **self._where):
            yield from map(_recurring_run, answer.get("recurringRuns", []))

    def create_recurring_run(
        self,
        pipeline: Pipeline,
        version: Version,
        cron: str,
        experiment_id: str,
        *,
        enabled: bool,
        service_account: str | None = None,
    ) -> RecurringRun:
        """Run the version whenever `cron` says so, with the defaults of its parameters."""
        body: Json = {
            "display_name": pipeline.name,
            "description": pipeline.description,
            "experiment_id": experiment_id,
            "pipeline_version_reference": {"pipeline_id": pipeline.id, "pipeline_version_id": version.id},
            "runtime_config": {"parameters": {}},
            "trigger": {"cron_schedule": {"cron": cron}},
            "mode": "ENABLE" if enabled else "DISABLE",
            "max_concurrency": str(MAX_CONCURRENCY),
            "no_catchup": True,
            **self._where,
        }
        if service_account is not None:
            body["service_account"] = service_account
        service = self._api.RecurringRunServiceApi(self._client)
        return _recurring_run(self._ask(service.recurring_run_service_create_recurring_run, body))

    def enable_recurring_run(self, recurring_run: RecurringRun, *, enabled: bool) -> None:
        """Let it start runs, or not."""
        service = self._api.RecurringRunServiceApi(self._client)
        verb = "enable" if enabled else "disable"
        self._ask(getattr(service, f"recurring_run_service_{verb}_recurring_run"), recurring_run.id)

    def delete_recurring_run(self, recurring_run: RecurringRun) -> None:
        """Delete it; its runs stay. One that is gone already is no error."""
        service = self._api.RecurringRunServiceApi(self._client)
        self._delete(service.recurring_run_service_delete_recurring_run, recurring_run.id)

    def start_run(
        self,
        pipeline: Pipeline,
        version: Version,
        name: str,
        parameters: Mapping[str, str],
        experiment: str,
        service_account: str | None = None,
    ) -> str:
        """Start a run of the version in the experiment, under the service account or the server's own; gives its id."""
        body: Json = {
            "display_name": name,
            "experiment_id": self.experiment(experiment),
            "pipeline_version_reference": {"pipeline_id": pipeline.id, "pipeline_version_id": version.id},
            "runtime_config": {"parameters": dict(parameters)},
        }
        if service_account is not None:
            body["service_account"] = service_account
        service = self._api.RunServiceApi(self._client)
        listing = service.run_service_list_runs
        return self._connection.start(service.run_service_create_run, body, listing, **self._where)

    def run(self, run_id: str) -> Run:
        """The run of this id. NotFound when there is none."""
        return _run(self._ask(self._api.RunServiceApi(self._client).run_service_get_run, run_id))

    def runs(self, pipeline: Pipeline) -> Iterator[Run]:
        """The runs of the pipeline's versions, newest first.

        Found among all runs of the namespace: the API filters runs by what they are called, where they belong and how
        they stand, not by their pipeline (2.14.3, backend/src/apiserver/model/run.go).
        """
        service = self._api.RunServiceApi(self._client)
        for answer in self._pages(service.run_service_list_runs, sort_by="created_at desc", **self._where):
            yield from (run for run in map(_run, answer.get("runs", [])) if run.pipeline_id == pipeline.id)

    def retry(self, run_id: str) -> None:
        """Let the failed tasks of an ended run run again. NotFound when there is no such run."""
        self._ask(self._api.RunServiceApi(self._client).run_service_retry_run, run_id)

    def workflow(self, run_id: str) -> Json | None:
        """The run's Argo workflow as the server last saw it, or None where this version does not tell it.

        Only the older API has it, and only there stands why a pod failed. Its nodes are plain, also where Argo has
        compressed them.
        """
        try:
            answer = self._connection.get("/apis/v1beta1/runs/{run_id}", path_params={"run_id": run_id})
        except NotFound:
            return None
        manifest = (answer.get("pipeline_runtime") or {}).get("workflow_manifest")
        try:
            return _with_plain_nodes(json.loads(manifest)) if manifest else None
        except (ValueError, EOFError, OSError, zlib.error) as error:
            raise Refused(
                f"Kubeflow Pipelines at {self.url}: the workflow of run {run_id} cannot be read ({error}). "
                "Try again, or look at the run in its web interface."
            ) from None

    def terminate(self, run_id: str) -> None:
        """Stop the run's pods. NotFound when there is no such run."""
        self._ask(self._api.RunServiceApi(self._client).run_service_terminate_run, run_id)

    def experiment(self, name: str) -> str:
        """The id of the experiment of this name, which is made when there is none."""
        service = self._api.ExperimentServiceApi(self._client)
        for answer in self._pages(service.experiment_service_list_experiments, **self._where):
            for each in answer.get("experiments", []):
                if each.get("display_name") == name:
                    return str(each["experiment_id"])
        body = {"display_name": name, **self._where}
        return str(self._ask(service.experiment_service_create_experiment, body)["experiment_id"])

    def _delete(self, method: Any, *ids: str) -> None:
        """The connection sends a DELETE again whose answer was lost, and the first may have been carried out: what is
        not there any more is deleted.
        """
        try:
            self._ask(method, *ids)
        except NotFound:
            return


def _pipeline(answer: Json) -> Pipeline:
    return Pipeline(
        answer["pipeline_id"], answer.get("name") or answer.get("display_name") or "", answer.get("description") or ""
    )


def _run(answer: Json) -> Run:
    details = (answer.get("run_details") or {}).get("task_details") or []
    made_from = answer.get("pipeline_version_reference") or {}
    return Run(
        id=answer["run_id"],
        name=answer.get("display_name") or "",
        state=answer.get("state") or "PENDING",
        error=(answer.get("error") or {}).get("message"),
        pipeline_id=made_from.get("pipeline_id"),
        version_id=made_from.get("pipeline_version_id"),
        tasks=tuple(Task(each.get("display_name") or "", each.get("state") or "") for each in details),
        created=answer.get("created_at") or "",
    )


def _with_plain_nodes(workflow: Json) -> Json:
    """Argo puts the nodes of a workflow that is larger than 1 MiB into another field, as base64 of gzip of JSON."""
    status = workflow.get("status") or {}
    if status.get("nodes") or not (packed := status.get("compressedNodes")):
        return workflow
    nodes = json.loads(gzip.decompress(base64.b64decode(packed, validate=True)))
    if not isinstance(nodes, dict) or not all(isinstance(node, dict) for node in nodes.values()):
        raise ValueError("its compressed nodes are of another form")
    rest = {name: value for name, value in status.items() if name != "compressedNodes"}
    return {**workflow, "status": {**rest, "nodes": nodes}}


def _version(answer: Json) -> Version:
    return Version(
        answer["pipeline_version_id"],
        answer.get("display_name") or answer.get("name") or "",
        answer.get("description") or "",
        answer.get("created_at") or "",
    )


def _recurring_run(answer: Json) -> RecurringRun:
    of = answer.get("pipeline_version_reference") or {}
    return RecurringRun(
        id=answer["recurring_run_id"],
        name=answer.get("display_name") or "",
        pipeline_id=of.get("pipeline_id"),
        version_id=of.get("pipeline_version_id"),
        cron=((answer.get("trigger") or {}).get("cron_schedule") or {}).get("cron") or "",
        enabled=answer.get("status") != "DISABLED" and answer.get("mode") != "DISABLE",
        experiment_id=answer.get("experiment_id"),
        description=answer.get("description") or "",
    )
