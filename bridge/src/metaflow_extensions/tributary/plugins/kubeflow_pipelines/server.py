"""The only code that talks to Kubeflow Pipelines, by its REST API v2beta1.

What goes wrong on the wire is translated here, once. Errors of the connection are tried again a few times; "there is no
such thing" is believed only when Kubeflow Pipelines itself says so, never from a proxy's page.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from .refusals import Refused

URL_SETTING = "METAFLOW_KUBEFLOW_PIPELINES_URL"

CONNECT_SECONDS = 10
READ_SECONDS = 120
TRIES = 3
BACKOFF_SECONDS = 0.3
PAGE = 100

# gRPC's code for "not found", which the API puts into the body of such an answer.
NOT_FOUND = 5

Json = dict[str, Any]


class NotFound(Refused):
    """Kubeflow Pipelines says that it has no such object."""


class Conflict(Refused):
    """Kubeflow Pipelines has an object of that name already."""


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
    tasks: tuple[Task, ...]


class Server:
    """A Kubeflow Pipelines at a URL. Every method raises Refused with one sentence when it cannot do its work."""

    def __init__(self, url: str | None, namespace: str | None = None) -> None:
        if not url:
            raise Refused(f"Kubeflow Pipelines: no URL is known. Set {URL_SETTING} or give --url.")
        if not url.startswith(("http://", "https://")):
            raise Refused(
                f"Kubeflow Pipelines: {url!r} is no URL. It begins with http:// or https://; set {URL_SETTING}."
            )
        self.url = url.rstrip("/")
        self._api = import_module("kfp_server_api")
        retries = import_module("urllib3").Retry(
            total=TRIES,
            read=TRIES,
            connect=TRIES,
            status=TRIES,
            backoff_factor=BACKOFF_SECONDS,
            # A POST whose answer was lost may have been carried out: only a refused connection is tried again for it.
            allowed_methods=["GET", "DELETE"],
            status_forcelist=[502, 503, 504],
            raise_on_status=False,
        )
        configuration = self._api.Configuration(host=self.url)
        configuration.retries = retries
        self._client = self._api.ApiClient(configuration)
        self.identity = self._identify()
        self._where = {"namespace": namespace} if namespace and self.identity.multi_user else {}

    def find_pipeline(self, name: str) -> Pipeline | None:
        """The pipeline of this name, or None when the server says that there is none."""
        service = self._api.PipelineServiceApi(self._client)
        try:
            return _pipeline(self._ask(service.pipeline_service_get_pipeline_by_name, name, **self._where))
        except NotFound:
            return None

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
        """Delete the pipeline and its versions. Runs that it made stay."""
        service = self._api.PipelineServiceApi(self._client)
        for version in list(self.versions(pipeline)):
            self._ask(service.pipeline_service_delete_pipeline_version, pipeline.id, version.id)
        self._ask(service.pipeline_service_delete_pipeline, pipeline.id)

    def versions(self, pipeline: Pipeline) -> Iterator[Version]:
        """The pipeline's versions, newest first."""
        service = self._api.PipelineServiceApi(self._client)
        pages = self._pages(service.pipeline_service_list_pipeline_versions, pipeline.id, sort_by="created_at desc")
        for answer in pages:
            for each in answer.get("pipeline_versions", []):
                yield Version(each["pipeline_version_id"], each.get("display_name") or each.get("name") or "")

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
        return Version(answer["pipeline_version_id"], answer.get("display_name") or name)

    def start_run(
        self, pipeline: Pipeline, version: Version, name: str, parameters: Mapping[str, str], experiment: str
    ) -> str:
        """Start a run of the version in the experiment; gives the run's id."""
        body = {
            "display_name": name,
            "experiment_id": self._experiment(experiment),
            "pipeline_version_reference": {"pipeline_id": pipeline.id, "pipeline_version_id": version.id},
            "runtime_config": {"parameters": dict(parameters)},
        }
        return str(self._ask(self._api.RunServiceApi(self._client).run_service_create_run, body)["run_id"])

    def run(self, run_id: str) -> Run:
        """The run of this id. NotFound when there is none."""
        answer = self._ask(self._api.RunServiceApi(self._client).run_service_get_run, run_id)
        details = (answer.get("run_details") or {}).get("task_details") or []
        return Run(
            id=answer["run_id"],
            name=answer.get("display_name") or "",
            state=answer.get("state") or "PENDING",
            error=(answer.get("error") or {}).get("message"),
            pipeline_id=(answer.get("pipeline_version_reference") or {}).get("pipeline_id"),
            tasks=tuple(Task(each.get("display_name") or "", each.get("state") or "") for each in details),
        )

    def workflow(self, run_id: str) -> Json | None:
        """The run's Argo workflow as the server last saw it, or None where this version does not tell it.

        Only the older API has it, and only there stands why a pod failed.
        """
        try:
            answer = self._ask(self._call, "/apis/v1beta1/runs/{run_id}", path_params={"run_id": run_id})
        except NotFound:
            return None
        manifest = (answer.get("pipeline_runtime") or {}).get("workflow_manifest")
        return json.loads(manifest) if manifest else None

    def terminate(self, run_id: str) -> None:
        """Stop the run's pods. NotFound when there is no such run."""
        self._ask(self._api.RunServiceApi(self._client).run_service_terminate_run, run_id)

    def _identify(self) -> Identity:
        answer = self._answer(self._call, ("/apis/v2beta1/healthz",), {}, first=True)
        if "tag_name" not in answer and "multi_user" not in answer:
            raise self._stranger()
        return Identity(str(answer.get("tag_name") or "unknown"), bool(answer.get("multi_user")))

    def _experiment(self, name: str) -> str:
        service = self._api.ExperimentServiceApi(self._client)
        for answer in self._pages(service.experiment_service_list_experiments, **self._where):
            for each in answer.get("experiments", []):
                if each.get("display_name") == name:
                    return str(each["experiment_id"])
        body = {"display_name": name, **self._where}
        return str(self._ask(service.experiment_service_create_experiment, body)["experiment_id"])

    def _pages(self, method: Any, *arguments: Any, **options: Any) -> Iterator[Json]:
        token = ""
        while True:
            answer = self._ask(method, *arguments, page_size=PAGE, page_token=token, **options)
            yield answer
            token = answer.get("next_page_token") or ""
            if not token:
                return

    def _call(self, path: str, **options: Any) -> Any:
        """A GET of a path that the generated client does not know in full."""
        return self._client.call_api(path, "GET", auth_settings=["Bearer"], _return_http_data_only=True, **options)

    def _ask(self, method: Any, *arguments: Any, **options: Any) -> Json:
        """Call a method of the generated client and give the answer's JSON; its own models differ between versions."""
        return self._answer(method, arguments, options, first=False)

    def _answer(self, method: Any, arguments: tuple[Any, ...], options: Json, *, first: bool) -> Json:
        with self._translated(first):
            response = method(
                *arguments, **options, _preload_content=False, _request_timeout=(CONNECT_SECONDS, READ_SECONDS)
            )
            data = response.data
        try:
            answer = json.loads(data) if data else {}
        except ValueError:
            raise self._stranger() from None
        if not isinstance(answer, dict):
            raise self._stranger()
        return answer

    @contextmanager
    def _translated(self, first: bool) -> Iterator[None]:
        """The errors of the wire as Refused; `first` is the question by which the server is known for what it is."""
        wire = import_module("urllib3.exceptions").HTTPError
        try:
            yield
        except self._api.ApiException as error:
            raise self._answered(error, first) from None
        except wire as error:
            raise Refused(
                f"Kubeflow Pipelines at {self.url}: cannot be reached ({_cause(error)}). "
                f"Start it, or correct {URL_SETTING}."
            ) from None

    def _answered(self, error: Any, first: bool) -> Refused:
        said = _said(error.body)
        if error.status in (401, 403):
            return Refused(
                f"Kubeflow Pipelines at {self.url}: access is denied (HTTP {error.status}). "
                "Ask its administrator for the right to use it."
            )
        if first and error.status == 404:
            return self._stranger()
        if said is None:
            if first or (error.status and error.status < 500):
                return self._stranger()
            return Refused(
                f"Kubeflow Pipelines at {self.url}: answers with HTTP {error.status or _short(error.reason)}. "
                "Try again when it is well."
            )
        code, message = said
        kind = NotFound if code == NOT_FOUND else Conflict if error.status == 409 else Refused
        return kind(
            f"Kubeflow Pipelines at {self.url}: {message} (HTTP {error.status}). Correct the request, or try again."
        )

    def _stranger(self) -> Refused:
        return Refused(
            f"{self.url}: something answers there, but it is not Kubeflow Pipelines. Correct {URL_SETTING} or --url."
        )


def _pipeline(answer: Json) -> Pipeline:
    return Pipeline(
        answer["pipeline_id"], answer.get("name") or answer.get("display_name") or "", answer.get("description") or ""
    )


def _said(body: Any) -> tuple[int | None, str] | None:
    """Code and message of an error that Kubeflow Pipelines wrote; None for anybody else's."""
    try:
        answer = json.loads(body)
    except (TypeError, ValueError):
        return None
    if not isinstance(answer, dict):
        return None
    message = answer.get("message") or answer.get("error") or answer.get("error_message")
    return (answer.get("code"), _short(message)) if isinstance(message, str) else None


def _cause(error: Exception) -> str:
    """The operating system's words out of urllib3's, which name the connection and the attempt too."""
    reason = str(getattr(error, "reason", None) or error)
    match = re.search(r"\[Errno -?\d+\] ([^()]+)", reason)
    return match.group(1).strip() if match else _short(reason)


def _short(text: object) -> str:
    """One line without the trail of causes that Go and urllib3 write."""
    line = " ".join(str(text).split())
    return line if len(line) <= 200 else f"{line[:197]}..."
