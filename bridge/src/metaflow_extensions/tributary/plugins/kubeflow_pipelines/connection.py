"""The wire to Kubeflow Pipelines: one request, its answer's JSON, and what goes wrong in between.

Errors of the wire are translated here, once. Errors of the connection are tried again a few times; "there is no such
thing" is believed only when Kubeflow Pipelines itself says so, never from a proxy's page.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from typing import Any
from uuid import uuid4

from .access import COOKIES_SETTING, TOKEN_FILE_SETTING, TOKEN_SETTING, URL_SETTING, Door
from .refusals import Refused

CONNECT_SECONDS = 10
READ_SECONDS = 60
TRIES = 3
BACKOFF_SECONDS = 0.3
PAGE = 100

# How long to wait before each look for what was started and not answered for, as multiples of BACKOFF_SECONDS: some
# twenty seconds in all. No look begins later than that many seconds after the first, for each may itself take long.
LOOKS = (0, 3, 10, 20, 40)
LOOK_SECONDS = 60
NEWEST_PAGES = 3

# gRPC's code for "not found", which the API puts into the body of such an answer.
NOT_FOUND = 5

# What a gateway, or the server itself, says when it has given up waiting for what it passed the request on to.
GATEWAY = (502, 503, 504)

Json = dict[str, Any]


class NotFound(Refused):
    """Kubeflow Pipelines says that it has no such object."""


class Conflict(Refused):
    """Kubeflow Pipelines has an object of that name already."""


class Unanswered(Refused):
    """No answer came to a request that was sent: it may have been carried out. `what` says what came instead."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}. {advice}")
        self.what = what


class Connection:
    """Requests through a door. Every method raises Refused with one sentence when there is no good answer."""

    def __init__(self, door: Door) -> None:
        self.url = door.url
        self.api = import_module("kfp_server_api")
        self._door = door
        configuration = self.api.Configuration(host=door.url)
        configuration.retries = _retries()
        configuration.ssl_ca_cert = door.ca_file
        configuration.verify_ssl = door.verify
        if door.certificate:
            configuration.cert_file, configuration.key_file = door.certificate
        self.client = self.api.ApiClient(configuration)

    def identify(self) -> Json:
        """What the server says it is; Refused when it is no Kubeflow Pipelines."""
        answer = self._answer(self._call, ("/apis/v2beta1/healthz", "GET"), {}, first=True)
        if "tag_name" not in answer and "multi_user" not in answer:
            raise self._stranger()
        return answer

    def ask(self, method: Any, *arguments: Any, **options: Any) -> Json:
        """Call a method of the generated client and give the answer's JSON; its own models differ between versions."""
        return self._answer(method, arguments, options, first=False)

    def get(self, path: str, **options: Any) -> Json:
        """The answer's JSON at a path that the generated client does not know in full."""
        return self.ask(self._call, path, "GET", **options)

    def pages(self, method: Any, *arguments: Any, **options: Any) -> Iterator[Json]:
        """All pages of what `method` lists."""
        token = ""
        while True:
            answer = self.ask(method, *arguments, page_size=PAGE, page_token=token, **options)
            yield answer
            token = answer.get("next_page_token") or ""
            if not token:
                return

    def start(self, create: Any, body: Json, listing: Any, **where: Any) -> str:
        """Start a run, once; gives its id. One whose answer is lost is looked for, by a description of its own, among
        the newest that `listing` lists.
        """
        mark = f"Started from Metaflow, request {uuid4().hex}"
        try:
            return str(self.ask(create, {**body, "description": mark})["run_id"])
        except Unanswered as lost:
            run_id = self._started(mark, listing, where)
            if run_id is None:
                raise Refused(
                    f"{lost.what}. The run may have started all the same: look with kubeflow-pipelines list --runs "
                    "before you start it again."
                ) from None
            return run_id

    def _started(self, mark: str, listing: Any, where: Json) -> str | None:
        """The run of this description. A gateway may give up before the server has stored it, so several looks."""
        until = time.monotonic() + LOOK_SECONDS
        for wait in LOOKS:
            time.sleep(wait * BACKOFF_SECONDS)
            if time.monotonic() > until:
                break
            try:
                for answer in islice(self.pages(listing, sort_by="created_at desc", **where), NEWEST_PAGES):
                    for each in answer.get("runs", []):
                        if each.get("description") == mark:
                            return str(each["run_id"])
            except Refused:
                continue
        return None

    def _call(self, path: str, verb: str, **options: Any) -> Any:
        return self.client.call_api(path, verb, auth_settings=["Bearer"], _return_http_data_only=True, **options)

    def _answer(self, method: Any, arguments: tuple[Any, ...], options: Json, *, first: bool) -> Json:
        for name, value in self._door.headers().items():
            self.client.set_default_header(name, value)
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
        except self.api.ApiException as error:
            raise self._answered(error, first) from None
        except wire as error:
            what = f"Kubeflow Pipelines at {self.url}: cannot be reached ({_cause(error)})"
            advice = f"Start it, or correct {URL_SETTING}."
            raise (Refused(f"{what}. {advice}") if _never_sent(error) else Unanswered(what, advice)) from None

    def _answered(self, error: Any, first: bool) -> Refused:
        said = _said(error.body)
        # The client gives an error of TLS as status 0.
        unanswered = error.status in (0, *GATEWAY)
        if error.status in (401, 403):
            return self._denied(error.status, said[1] if said else None)
        if error.status in (301, 302, 303, 307, 308):
            return self._sent_elsewhere(str((error.headers or {}).get("Location") or ""))
        if first and error.status == 404:
            return self._stranger()
        if said is None:
            if error.status and error.status < 500:
                return self._stranger()
            what = f"Kubeflow Pipelines at {self.url}: answers with HTTP {error.status or _short(error.reason)}"
            advice = "Try again when it is well."
            return Unanswered(what, advice) if unanswered else Refused(f"{what}. {advice}")
        code, message = said
        if unanswered:
            what = f"Kubeflow Pipelines at {self.url}: {message} (HTTP {error.status})"
            return Unanswered(what, "Correct the request, or try again.")
        kind = NotFound if code == NOT_FOUND else Conflict if error.status == 409 else Refused
        return kind(
            f"Kubeflow Pipelines at {self.url}: {message} (HTTP {error.status}). Correct the request, or try again."
        )

    def _denied(self, status: int, said: str | None) -> Refused:
        why = f"HTTP {status}" if said is None else f"HTTP {status}: {said}"
        if self._door.proof is None:
            what = f"Say who you are: set {TOKEN_SETTING}, {TOKEN_FILE_SETTING} or {COOKIES_SETTING}."
        else:
            what = f"Renew what is in {self._door.proof}, or ask its administrator for the right to use it."
        return Refused(f"Kubeflow Pipelines at {self.url}: access is denied ({why}). {what}")

    def _sent_elsewhere(self, location: str) -> Refused:
        bare = location.split("?")[0]
        if bare.removeprefix("https://").startswith(self.url.removeprefix("http://")):
            return Refused(f"Kubeflow Pipelines at {self.url}: answers by https only. Correct {URL_SETTING} or --url.")
        refused = self._denied(302, f"sent on to {_short(bare)}" if bare else "sent on")
        return Refused(refused.message.replace("access is denied", "a login is wanted"))

    def _stranger(self) -> Refused:
        return Refused(
            f"{self.url}: something answers there, but it is not Kubeflow Pipelines. Correct {URL_SETTING} or --url."
        )


def _retries() -> Any:
    """What is asked again, and how often."""

    class Retries(import_module("urllib3").Retry):  # type: ignore[misc]
        """A POST is asked again only where nothing was sent; urllib3 asks again, too, when TLS breaks off."""

        def increment(self, method: str | None = None, *arguments: Any, **options: Any) -> Any:
            """What is left after this error."""
            if self.other != 0 and method is not None and not self._is_method_retryable(method):
                return self.new(other=0).increment(method, *arguments, **options)
            return super().increment(method, *arguments, **options)

    return Retries(
        total=TRIES,
        connect=TRIES,
        status=TRIES,
        # A server that is silent for a minute is asked once more, not for five.
        read=1,
        # A login page at the end of a redirect would look like an answer, and secrets are for this server only.
        redirect=0,
        raise_on_redirect=False,
        backoff_factor=BACKOFF_SECONDS,
        # A POST whose answer was lost may have been carried out: only a refused connection is tried again for it.
        allowed_methods=["GET", "DELETE"],
        status_forcelist=GATEWAY,
        raise_on_status=False,
    )


def _never_sent(error: Exception) -> bool:
    """Whether there was no connection to send the request through."""
    cause = getattr(error, "reason", None) or error
    cause = getattr(cause, "original_error", None) or cause
    kinds = import_module("urllib3.exceptions")
    return isinstance(cause, kinds.ConnectTimeoutError | kinds.NewConnectionError)


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
    if match:
        return match.group(1).strip()
    return _short(reason.split("): ", 1)[-1])


def _short(text: object) -> str:
    """One line without the trail of causes that Go and urllib3 write."""
    line = " ".join(str(text).split())
    return line if len(line) <= 200 else f"{line[:197]}..."
