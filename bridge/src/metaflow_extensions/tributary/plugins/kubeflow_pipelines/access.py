"""Where Kubeflow Pipelines answers, and what proves to it who is asking.

Secrets come from variables, Metaflow's config file or files, never from the command line, and no message shows one.
Where Kubeflow's own SDK has a variable for a thing, that variable is read too.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from .refusals import Refused

URL_SETTING = "METAFLOW_KUBEFLOW_PIPELINES_URL"
TOKEN_SETTING = "METAFLOW_KUBEFLOW_PIPELINES_TOKEN"
TOKEN_FILE_SETTING = "METAFLOW_KUBEFLOW_PIPELINES_TOKEN_FILE"
COOKIES_SETTING = "METAFLOW_KUBEFLOW_PIPELINES_COOKIES"
CA_SETTING = "METAFLOW_KUBEFLOW_PIPELINES_CA_FILE"
NAMESPACE_SETTING = "METAFLOW_KUBEFLOW_PIPELINES_NAMESPACE"

# Of Kubeflow's SDK: where Pipelines answers, and the projected token of a notebook in Kubeflow.
SDK_URL = "KF_PIPELINES_ENDPOINT"
SDK_TOKEN_FILE = "KF_PIPELINES_SA_TOKEN_PATH"
PROJECTED_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"
POD_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

# A URL that begins so goes through the Kubernetes API server to a Service.
KUBECONFIG = "kubeconfig:"
# What stands in front of a URL's host, also where it is mistyped: one slash, three, no colon, or two schemes.
_SCHEME = re.compile(r"\s*(\w*:?/+)?(\w+:/{2,})*")
# A user, or a user and a password, in front of a URL's host; the password may hold what should be written as %2F.
_USER_PART = re.compile(r"[^/?#]*@|[^/?#:\[]*:(?!\d*([/?#]|$)).*@", re.DOTALL)

USUAL_SERVICE = ("kubeflow", "ml-pipeline:8888")


@dataclass(frozen=True)
class Keys:
    """What the settings say of access; all may be missing. `token_from` names where the token comes from."""

    token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    cookies: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    token_from: str = TOKEN_SETTING


@dataclass(frozen=True)
class Door:
    """A way to the server: its URL, who says so, headers for each request, and files of certificates."""

    url: str
    headers: Callable[[], Mapping[str, str]] = field(repr=False)
    proof: str | None = None
    ca_file: str | None = None
    certificate: tuple[str, str] | None = field(default=None, repr=False)
    verify: bool = True


def keys(settings: Any, environment: Mapping[str, str]) -> Keys:
    """The keys out of Metaflow's settings and the variables of Kubeflow's SDK. Refused when two say a token."""
    token, file = settings.KUBEFLOW_PIPELINES_TOKEN, settings.KUBEFLOW_PIPELINES_TOKEN_FILE
    if token and file:
        raise Refused(f"{TOKEN_SETTING} and {TOKEN_FILE_SETTING}: both are set. Unset one of them.")
    source = TOKEN_SETTING if token else TOKEN_FILE_SETTING
    if not token and not file:
        file, source = environment.get(SDK_TOKEN_FILE), SDK_TOKEN_FILE
    if not token and not file and os.path.exists(PROJECTED_TOKEN):
        file, source = PROJECTED_TOKEN, PROJECTED_TOKEN
    return Keys(
        token=_line(token, TOKEN_SETTING),
        token_file=file,
        cookies=_line(settings.KUBEFLOW_PIPELINES_COOKIES, COOKIES_SETTING),
        ca_file=settings.KUBEFLOW_PIPELINES_CA_FILE,
        token_from=source,
    )


def namespace_of_pod() -> str | None:
    """The namespace that this process's pod is in, None outside a cluster."""
    file = Path(POD_NAMESPACE)
    return file.read_text(encoding="utf-8").strip() or None if file.is_file() else None


def door(url: str | None, keys: Keys) -> Door:
    """The way to the URL with these keys. Refused, naming the setting, when it leads nowhere."""
    if not url:
        raise Refused(f"Kubeflow Pipelines: no URL is known. Set {URL_SETTING} or give --url.")
    if url.startswith(KUBECONFIG):
        return _through_kubernetes(url.removeprefix(KUBECONFIG))
    if _USER_PART.match(_SCHEME.sub("", url, count=1)):
        raise Refused(
            "Kubeflow Pipelines: its URL holds a user or a password, which would be shown and not be used. Take that "
            f"out of {URL_SETTING}, {SDK_URL} or --url, and set {TOKEN_SETTING} or {COOKIES_SETTING}."
        )
    if not url.startswith(("http://", "https://")):
        # What cannot be taken apart may hold a password in front of an @.
        shown = "what is given" if "@" in url else repr(url)
        raise Refused(f"Kubeflow Pipelines: {shown} is no URL. It begins with http:// or https://; set {URL_SETTING}.")
    if keys.ca_file and not Path(keys.ca_file).is_file():
        raise Refused(f"{CA_SETTING}: {keys.ca_file!r} is no file. Name the file with the server's certificates.")
    return Door(url.rstrip("/"), lambda: _headers(keys), _proof(keys), keys.ca_file)


def _headers(keys: Keys) -> dict[str, str]:
    """For one request: a projected token is replaced while a program waits, so the file is read each time."""
    headers = {}
    token = keys.token
    if keys.token_file:
        try:
            token = _line(Path(keys.token_file).read_text(encoding="utf-8"), keys.token_from)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise Refused(
                f"{keys.token_from}: {keys.token_file!r} cannot be read ({why}). Name the file with the token."
            ) from None
        if not token:
            raise Refused(f"{keys.token_from}: {keys.token_file!r} is empty. Name the file with the token.")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if keys.cookies:
        headers["Cookie"] = keys.cookies
    return headers


def _proof(keys: Keys) -> str | None:
    shown = [keys.token_from] if keys.token or keys.token_file else []
    return " and ".join([*shown, *([COOKIES_SETTING] if keys.cookies else [])]) or None


def _line(text: str | None, source: str) -> str | None:
    """The secret as it goes into a header, None for none. Refused when it could break out of one."""
    secret = (text or "").strip()
    if any(not (" " <= each <= "~") for each in secret):
        raise Refused(f"{source}: holds more than one line, or something that is no plain text. Correct it.")
    return secret or None


def _through_kubernetes(wanted: str) -> Door:
    """The API server's proxy of a Service. `wanted` is CONTEXT or CONTEXT/NAMESPACE/SERVICE:PORT; a name may hold /."""
    try:
        config = import_module("kubernetes.config")
    except ImportError:
        raise Refused(
            f"--url {KUBECONFIG}{wanted}: needs the Python package kubernetes, which is not installed. "
            "Install it, or give a URL of Kubeflow Pipelines."
        ) from None
    # The package's own base class of what is wrong with a kubeconfig; YAML's errors and the disk's come as they are.
    wrong = (config.ConfigException, OSError, import_module("yaml").YAMLError)
    try:
        contexts = {each["name"] for each in config.list_kube_config_contexts()[0]}
        context, namespace, service = _place(wanted, contexts)
        client = config.new_client_from_config(context=context or None).configuration
    except wrong as error:
        raise Refused(
            f"--url {KUBECONFIG}{wanted}: the kubeconfig cannot be used ({' '.join(str(error).split())[:200]}). "
            "Check it with: kubectl config get-contexts."
        ) from None

    def headers() -> dict[str, str]:
        token = client.get_api_key_with_prefix("authorization") or client.get_api_key_with_prefix("BearerToken")
        return {"Authorization": token} if token else {}

    return Door(
        url=f"{client.host.rstrip('/')}/api/v1/namespaces/{namespace}/services/{service}/proxy",
        headers=headers,
        proof=f"the kubeconfig's context {context!r}" if context else "the kubeconfig's current context",
        ca_file=client.ssl_ca_cert,
        certificate=(client.cert_file, client.key_file) if client.cert_file and client.key_file else None,
        verify=bool(client.verify_ssl),
    )


def _place(wanted: str, contexts: set[str]) -> tuple[str, str, str]:
    if not wanted or wanted in contexts:
        return wanted, *USUAL_SERVICE
    context, _, rest = wanted.rpartition("/")
    context, _, namespace = context.rpartition("/")
    if (context and context not in contexts) or not namespace or not rest:
        raise Refused(
            f"--url {KUBECONFIG}{wanted}: the kubeconfig has no context of that name. "
            f"Write {KUBECONFIG}CONTEXT or {KUBECONFIG}CONTEXT/NAMESPACE/SERVICE:PORT; "
            "kubectl config get-contexts lists the contexts."
        )
    return context, namespace, rest
