"""A Kubeflow Pipelines API on this machine: a real HTTP server with the routes that the extension uses, in memory.

Paths, fields and error bodies are those of the API server 2.14.
"""

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import count
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bridge.tests.lib.local_server import LocalServer

Json = dict[str, Any]

# What the server asks of a name in a spec, not of the pipeline itself: backend/src/apiserver/common/utils.go.
_NAME_IN_SPEC = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


class Answer(Exception):
    """An answer that is not a good one: status, body as text, and headers."""

    def __init__(self, status: int, body: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body)
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass
class Kubeflow:
    """What the server holds, and what it was asked.

    `failures` are given to requests that begin with `failing`, one each. From the request on that comes after `healthy`
    others, `fault` is given to all. The next request that begins with `losing` is carried out, and its answer is lost:
    a gateway says `losing_status` in its place. `wants` are headers without which everything is denied; `prefix` stands
    before every path.
    """

    health: Json = field(default_factory=lambda: {"tag_name": "2.14.3", "multi_user": False})
    health_fails: Answer | None = None
    pipelines: dict[str, Json] = field(default_factory=dict)
    versions: dict[str, list[Json]] = field(default_factory=dict)
    runs: dict[str, Json] = field(default_factory=dict)
    workflows: dict[str, Json] = field(default_factory=dict)
    experiments: list[Json] = field(default_factory=list)
    recurring_runs: dict[str, Json] = field(default_factory=dict)
    active: list[int] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    reads_platform: bool = True
    reads_description: bool = True
    asked: list[str] = field(default_factory=list)
    failures: list[Answer] = field(default_factory=list)
    failing: str = ""
    losing: str = ""
    losing_status: int = 503
    fault: Answer | None = None
    healthy: int = 0
    wants: dict[str, str] = field(default_factory=dict)
    prefix: str = ""
    heard: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Json:
        """Carry the request out; raises Answer for anything but success."""
        split = urlsplit(target)
        split = split._replace(path=split.path.removeprefix(self.prefix))
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        self.asked.append(f"{method} {split.path}")
        self.heard.append(dict(headers))
        if self.fault and len(self.asked) > self.healthy:
            raise self.fault
        if any(headers.get(name) != value for name, value in self.wants.items()):
            raise error(401, 16, "Unauthenticated: the request has no identity")
        if self.health.get("multi_user") and re.search("/(experiments|recurringruns)$", split.path):
            given = query if method == "GET" else json.loads(body)
            if not given.get("namespace"):
                raise error(400, 3, "Invalid input error: In multi-user mode, a namespace must be specified")
        if split.path.endswith("/healthz"):
            if self.health_fails:
                raise self.health_fails
            return self.health
        # A path that is to fail whole ends with a space.
        if self.failures and f"{self.asked[-1]} ".startswith(self.failing):
            raise self.failures.pop(0)
        for route, handle in ROUTES:
            if match := re.fullmatch(route, f"{method} {split.path}"):
                answer: Json = handle(self, *match.groups(), query=query, body=body)
                self.lose()
                return answer
        raise not_found(f"no route {method} {split.path}")

    def lose(self) -> None:
        """Lose the answer to the request at hand, if it is the one that `losing` says."""
        if self.losing and f"{self.asked[-1]} ".startswith(self.losing):
            self.losing = ""
            raise Answer(self.losing_status, "gone")

    def by_name(self, name: str, query: Json, body: bytes) -> Json:
        for pipeline in self.pipelines.values():
            if pipeline["name"] == name:
                return pipeline
        raise not_found(f"Pipeline {name} not found")

    def list_pipelines(self, query: Json, body: bytes) -> Json:
        """Two a page, so that paging is used."""
        every = sorted(self.pipelines.values(), key=lambda each: str(each["name"]))
        return _page(every, "pipelines", query)

    def create_pipeline(self, query: Json, body: bytes) -> Json:
        asked = json.loads(body)
        created = {"pipeline_id": f"pipeline-{len(self.pipelines) + 1}", **asked}
        self.pipelines[created["pipeline_id"]] = created
        self.versions[created["pipeline_id"]] = []
        return created

    def delete_pipeline(self, pipeline_id: str, query: Json, body: bytes) -> Json:
        if pipeline_id not in self.pipelines:
            raise not_found(f"Pipeline {pipeline_id} not found")
        if self.versions[pipeline_id]:
            raise error(400, 3, f"Failed to delete pipeline with id {pipeline_id} as it has existing pipeline versions")
        del self.pipelines[pipeline_id]
        return {}

    def list_versions(self, pipeline_id: str, query: Json, body: bytes) -> Json:
        assert query["sort_by"] == "created_at desc"
        return _page(self.versions[pipeline_id][::-1], "pipeline_versions", query)

    def delete_version(self, pipeline_id: str, version_id: str, query: Json, body: bytes) -> Json:
        kept = [each for each in self.versions[pipeline_id] if each["pipeline_version_id"] != version_id]
        if len(kept) == len(self.versions[pipeline_id]):
            raise not_found(f"PipelineVersion {version_id} not found")
        self.versions[pipeline_id] = kept
        return {}

    def upload_version(self, query: Json, body: bytes) -> Json:
        versions = self.versions[query["pipelineid"]]
        if any(each["name"] == query["name"] for each in versions):
            raise Answer(409, json.dumps({"error_message": "The pipeline already exists.", "error_details": "…"}))
        text = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0].decode()
        info = json.loads(text.split("\n---\n")[0]).get("pipelineInfo", {"name": "unnamed"})
        if not _NAME_IN_SPEC.fullmatch(info["name"]):
            raise error(500, 13, "Failed to create a pipeline version: Invalid input error: pipeline's name must …")
        uploaded = {
            "pipeline_version_id": f"version-{query['pipelineid']}-{len(versions) + 1}",
            "name": query["name"],
            "display_name": query["display_name"],
            "description": query.get("description", "") if self.reads_description else "",
            "text": text,
            "pipeline_spec": self.as_read(text),
        }
        versions.append(uploaded)
        return uploaded

    def as_read(self, text: str) -> Json:
        """The documents as 2.14 gives them: what it cannot read as a platform document, it takes for the pipeline's."""
        documents = [json.loads(part) for part in text.split("\n---\n")]
        if len(documents) == 1 or not self.reads_platform:
            return dict(documents[-1])
        return {"pipeline_spec": documents[0], "platform_spec": documents[1]}

    def get_version(self, pipeline_id: str, version_id: str, query: Json, body: bytes) -> Json:
        for each in self.versions[pipeline_id]:
            if each["pipeline_version_id"] == version_id:
                return each
        raise not_found(f"PipelineVersion {version_id} not found")

    def get_pipeline(self, pipeline_id: str, query: Json, body: bytes) -> Json:
        if pipeline_id not in self.pipelines:
            raise not_found(f"Pipeline {pipeline_id} not found")
        return self.pipelines[pipeline_id]

    def list_recurring_runs(self, query: Json, body: bytes) -> Json:
        return _page(list(self.recurring_runs.values()), "recurringRuns", query)

    def create_recurring_run(self, query: Json, body: bytes) -> Json:
        asked = json.loads(body)
        if not 1 <= int(asked["max_concurrency"]) <= 10:
            raise error(400, 3, "The max_concurrency must be within 1 and 10")
        created = {"recurring_run_id": f"recurring-{next(self.numbers)}", **asked}
        created["status"] = "ENABLED" if created["mode"] == "ENABLE" else "DISABLED"
        self.recurring_runs[created["recurring_run_id"]] = created
        self.note_active()
        return created

    def enable_recurring_run(self, recurring_run_id: str, query: Json, body: bytes) -> Json:
        if recurring_run_id not in self.recurring_runs:
            raise not_found(f"RecurringRun {recurring_run_id} not found")
        self.recurring_runs[recurring_run_id] |= {"mode": "ENABLE", "status": "ENABLED"}
        self.note_active()
        return {}

    def disable_recurring_run(self, recurring_run_id: str, query: Json, body: bytes) -> Json:
        if recurring_run_id not in self.recurring_runs:
            raise not_found(f"RecurringRun {recurring_run_id} not found")
        self.recurring_runs[recurring_run_id] |= {"mode": "DISABLE", "status": "DISABLED"}
        self.note_active()
        return {}

    def delete_recurring_run(self, recurring_run_id: str, query: Json, body: bytes) -> Json:
        if recurring_run_id not in self.recurring_runs:
            raise not_found(f"RecurringRun {recurring_run_id} not found")
        del self.recurring_runs[recurring_run_id]
        self.note_active()
        return {}

    def note_active(self) -> None:
        """How many schedules are active after each change."""
        self.active.append(sum(each["status"] == "ENABLED" for each in self.recurring_runs.values()))

    def list_experiments(self, query: Json, body: bytes) -> Json:
        return _page(self.experiments, "experiments", query)

    def create_experiment(self, query: Json, body: bytes) -> Json:
        created = {"experiment_id": f"experiment-{len(self.experiments) + 1}", **json.loads(body)}
        self.experiments.append(created)
        return created

    def create_run(self, query: Json, body: bytes) -> Json:
        started = {"run_id": f"run-{len(self.runs) + 1}", "state": "RUNNING", **json.loads(body)}
        self.runs[started["run_id"]] = started
        return started

    def get_run(self, run_id: str, query: Json, body: bytes) -> Json:
        if run_id not in self.runs:
            raise not_found(f"Run {run_id} not found")
        return self.runs[run_id]

    def get_workflow(self, run_id: str, query: Json, body: bytes) -> Json:
        if run_id not in self.workflows:
            raise not_found(f"Run {run_id} not found")
        return {"run": {"id": run_id}, "pipeline_runtime": {"workflow_manifest": json.dumps(self.workflows[run_id])}}

    def list_runs(self, query: Json, body: bytes) -> Json:
        assert query["sort_by"] == "created_at desc"
        return _page(list(self.runs.values())[::-1], "runs", query)

    def retry_run(self, run_id: str, query: Json, body: bytes) -> Json:
        """As the server does: only what has ended badly can be retried."""
        if run_id not in self.runs:
            raise not_found(f"Run {run_id} not found")
        if self.runs[run_id]["state"] not in ("FAILED", "CANCELED"):
            raise error(400, 3, "Workflow must be Failed/Error to retry")
        self.runs[run_id]["state"] = "RUNNING"
        return {}

    def terminate_run(self, run_id: str, query: Json, body: bytes) -> Json:
        self.runs[run_id]["state"] = "CANCELING"
        return {}


_API = r"/apis/v2beta1"
ROUTES: list[tuple[str, Any]] = [
    (rf"GET {_API}/pipelines/names/([^/]+)", Kubeflow.by_name),
    (rf"GET {_API}/pipelines", Kubeflow.list_pipelines),
    (rf"POST {_API}/pipelines", Kubeflow.create_pipeline),
    (rf"GET {_API}/pipelines/([^/]+)", Kubeflow.get_pipeline),
    (rf"DELETE {_API}/pipelines/([^/]+)", Kubeflow.delete_pipeline),
    (rf"GET {_API}/pipelines/([^/]+)/versions", Kubeflow.list_versions),
    (rf"DELETE {_API}/pipelines/([^/]+)/versions/([^/]+)", Kubeflow.delete_version),
    (rf"GET {_API}/pipelines/([^/]+)/versions/([^/]+)", Kubeflow.get_version),
    (rf"GET {_API}/recurringruns", Kubeflow.list_recurring_runs),
    (rf"POST {_API}/recurringruns", Kubeflow.create_recurring_run),
    (rf"POST {_API}/recurringruns/([^/]+):enable", Kubeflow.enable_recurring_run),
    (rf"POST {_API}/recurringruns/([^/]+):disable", Kubeflow.disable_recurring_run),
    (rf"DELETE {_API}/recurringruns/([^/]+)", Kubeflow.delete_recurring_run),
    (rf"GET {_API}/runs", Kubeflow.list_runs),
    (rf"POST {_API}/runs/([^/]+):retry", Kubeflow.retry_run),
    (rf"POST {_API}/pipelines/upload_version", Kubeflow.upload_version),
    (rf"GET {_API}/experiments", Kubeflow.list_experiments),
    (rf"POST {_API}/experiments", Kubeflow.create_experiment),
    (rf"POST {_API}/runs", Kubeflow.create_run),
    (rf"GET {_API}/runs/([^/]+)", Kubeflow.get_run),
    (r"GET /apis/v1beta1/runs/([^/]+)", Kubeflow.get_workflow),
    (rf"POST {_API}/runs/([^/]+):terminate", Kubeflow.terminate_run),
]


def error(status: int, code: int, message: str) -> Answer:
    """An error as the API's gateway writes it."""
    return Answer(status, json.dumps({"error": message, "code": code, "message": message, "details": []}))


def not_found(message: str) -> Answer:
    """The gateway's error for what is not there."""
    return error(404, 5, message)


@contextmanager
def serving(kubeflow: Kubeflow, tls: ssl.SSLContext | None = None) -> Iterator[Kubeflow]:
    """Serve it on a free port, by https when there is a context; its `url` is set meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body of an answer are two writes, and the second would wait 40 ms for word of the first.
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Keep the tests' output free of requests."""

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, said = 200, json.dumps(kubeflow.answer(self.command, self.path, body, dict(self.headers)))
                headers: Mapping[str, str] = {}
            except Answer as answer:
                status, said, headers = answer.status, answer.body, answer.headers
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.encode())))
            self.end_headers()
            self.wfile.write(said.encode())

        do_GET = do_POST = do_DELETE = handle_any

    with LocalServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        kubeflow.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        try:
            yield kubeflow
        finally:
            server.shutdown()
            thread.join()


def _page(every: list[Json], key: str, query: Json) -> Json:
    first = int(query.get("page_token") or 0)
    page: Json = {key: every[first : first + 2]}
    if first + 2 < len(every):
        page["next_page_token"] = str(first + 2)
    return page
