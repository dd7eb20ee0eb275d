"""What proves who asks: from where it is taken, that it goes with every request, and that nothing shows it."""

import ipaddress
import ssl
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bridge.tests.lib.kubeflow import Answer, Kubeflow, serving
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import access, connection
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.access import Keys
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

SECRET = "a-token-that-nobody-sees"


@pytest.fixture
def kubeflow() -> Iterator[Kubeflow]:
    with serving(Kubeflow(health={"tag_name": "2.14.3", "multi_user": True})) as running:
        yield running


@pytest.fixture(autouse=True)
def _not_in_a_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(access, "PROJECTED_TOKEN", str(tmp_path / "projected"))
    monkeypatch.setattr(access, "POD_NAMESPACE", str(tmp_path / "namespace"))
    monkeypatch.setattr(connection, "BACKOFF_SECONDS", 0.0)


def settings(**given: str) -> Any:
    names = ("TOKEN", "TOKEN_FILE", "COOKIES", "CA_FILE")
    return SimpleNamespace(**{f"KUBEFLOW_PIPELINES_{name}": given.get(name) for name in names})


def test_a_token_goes_with_every_request(kubeflow: Kubeflow) -> None:
    kubeflow.wants = {"Authorization": f"Bearer {SECRET}"}
    api = Server(kubeflow.url, "team", access.keys(settings(TOKEN=SECRET), {}))
    made = api.create_pipeline("flow", "")
    api.upload_version(made, "v1", "{}", "")
    assert [version.name for version in api.versions(made)] == ["v1"]


def test_cookies_of_a_login_go_with_every_request(kubeflow: Kubeflow) -> None:
    kubeflow.wants = {"Cookie": "authservice_session=abc; _oauth2_proxy=def"}
    keys = access.keys(settings(COOKIES=kubeflow.wants["Cookie"]), {})
    assert Server(kubeflow.url, "team", keys).find_pipeline("flow") is None


@pytest.mark.parametrize("source", ["setting", "variable of Kubeflow's SDK", "projected into a pod"])
def test_a_token_file_is_read_for_each_request(kubeflow: Kubeflow, tmp_path: Path, source: str) -> None:
    file = tmp_path / ("projected" if source == "projected into a pod" else "token")
    file.write_text("first\n")
    given = settings(TOKEN_FILE=str(file)) if source == "setting" else settings()
    environment = {access.SDK_TOKEN_FILE: str(file)} if source == "variable of Kubeflow's SDK" else {}
    api = Server(kubeflow.url, "team", access.keys(given, environment))
    file.write_text("second\n")
    api.find_pipeline("flow")
    assert [heard["Authorization"] for heard in kubeflow.heard] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (Keys(), "Say who you are: set METAFLOW_KUBEFLOW_PIPELINES_TOKEN, METAFLOW_KUBEFLOW_PIPELINES_TOKEN_FILE or"),
        (Keys(token=SECRET), "Renew what is in METAFLOW_KUBEFLOW_PIPELINES_TOKEN, or ask"),
        (Keys(cookies=SECRET), "Renew what is in METAFLOW_KUBEFLOW_PIPELINES_COOKIES, or ask"),
    ],
    ids=["nothing", "token", "cookies"],
)
def test_denied_access_says_what_to_set_and_never_a_secret(kubeflow: Kubeflow, keys: Keys, words: str) -> None:
    kubeflow.wants = {"Authorization": "Bearer another"}
    with pytest.raises(Refused) as refused:
        Server(kubeflow.url, "team", keys)
    assert "access is denied (HTTP 401: Unauthenticated" in refused.value.message
    assert words in refused.value.message
    assert SECRET not in refused.value.message
    assert SECRET not in repr(keys)


def test_a_login_page_is_named_and_not_followed(kubeflow: Kubeflow) -> None:
    with serving(Kubeflow()) as login:
        kubeflow.fault = Answer(302, "", {"Location": f"{login.url}/oauth2/start?rd=%2F"})
        with pytest.raises(Refused, match=r"a login is wanted .*/oauth2/start") as refused:
            Server(kubeflow.url, "team", Keys(token=SECRET))
    assert login.asked == []
    assert "rd=" not in refused.value.message


def test_a_server_that_answers_by_https_only_is_said_to() -> None:
    with serving(Kubeflow()) as running:
        running.fault = Answer(301, "", {"Location": running.url.replace("http:", "https:") + "/apis"})
        with pytest.raises(Refused, match="by https only"):
            Server(running.url)


def test_a_kubeflow_of_several_users_must_be_told_the_namespace(kubeflow: Kubeflow) -> None:
    with pytest.raises(Refused, match="--kubeflow-namespace or METAFLOW_KUBEFLOW_PIPELINES_NAMESPACE"):
        Server(kubeflow.url)


def test_everything_of_a_namespace_is_asked_for_in_it(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url, "team")
    pipeline = api.create_pipeline("flow", "")
    version = api.upload_version(pipeline, "v1", "{}", "")
    api.start_run(pipeline, version, "name", {}, "mine")
    made = api.create_recurring_run(pipeline, version, "0 0 * * * *", api.experiment("mine"), enabled=True)
    assert [each.id for each in api.recurring_runs()] == [made.id]
    assert kubeflow.experiments == [{"experiment_id": "experiment-1", "display_name": "mine", "namespace": "team"}]
    assert kubeflow.recurring_runs[made.id]["namespace"] == "team"
    assert kubeflow.pipelines[pipeline.id]["namespace"] == "team"


def test_the_namespace_of_a_pod_is_known(tmp_path: Path) -> None:
    assert access.namespace_of_pod() is None
    (tmp_path / "namespace").write_text("team-of-notebook\n")
    assert access.namespace_of_pod() == "team-of-notebook"


def test_two_tokens_are_refused() -> None:
    with pytest.raises(Refused, match="both are set"):
        access.keys(settings(TOKEN=SECRET, TOKEN_FILE="/token"), {})


@pytest.mark.parametrize("secret", ["two\nlines", "tab\there", "ümlaut"])
def test_a_secret_that_could_break_out_of_its_header_is_refused(secret: str) -> None:
    with pytest.raises(Refused, match="more than one line") as refused:
        access.keys(settings(TOKEN=secret), {})
    assert secret not in refused.value.message


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), ("", "is empty"), (b"\xff", "is no text")])
def test_a_token_file_that_cannot_be_used_is_named(
    kubeflow: Kubeflow, tmp_path: Path, content: str | bytes | None, words: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Refused, match=f"METAFLOW_KUBEFLOW_PIPELINES_TOKEN_FILE: .*{words}"):
        Server(kubeflow.url, "team", access.keys(settings(TOKEN_FILE=str(file)), {}))
    assert kubeflow.asked == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine's address, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubeflow")])
    now = datetime.now(timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(made.public_bytes(pem) + secret)
    return file


def test_a_server_with_certificates_of_its_own_is_trusted_by_their_file_alone(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(Kubeflow(), context) as running:
        assert Server(running.url, None, Keys(ca_file=str(certificate))).identity.version == "2.14.3"
        with pytest.raises(Refused, match=r"cannot be reached .*certificate"):
            Server(running.url)
    with pytest.raises(Refused, match="METAFLOW_KUBEFLOW_PIPELINES_CA_FILE: 'nowhere' is no file"):
        Server("https://127.0.0.1:9", None, Keys(ca_file="nowhere"))


CONTEXT = "arn:aws:eks:region:1:cluster/name"


@pytest.fixture
def kubeconfig(kubeflow: Kubeflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "kubeconfig"
    file.write_text(
        f"""apiVersion: v1
kind: Config
current-context: "{CONTEXT}"
clusters: [{{name: c, cluster: {{server: "{kubeflow.url}"}}}}]
users: [{{name: u, user: {{token: {SECRET}}}}}]
contexts: [{{name: "{CONTEXT}", context: {{cluster: c, user: u}}}}]
"""
    )
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    return file


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("kubeconfig:", "kubeflow/services/ml-pipeline:8888"),
        (f"kubeconfig:{CONTEXT}", "kubeflow/services/ml-pipeline:8888"),
        (f"kubeconfig:{CONTEXT}/pipelines/api:80", "pipelines/services/api:80"),
    ],
    ids=["current", "context", "service"],
)
def test_the_kubernetes_api_server_hands_requests_on(
    kubeflow: Kubeflow, kubeconfig: Path, url: str, service: str
) -> None:
    kubeflow.prefix = f"/api/v1/namespaces/{service}/proxy"
    kubeflow.wants = {"Authorization": f"Bearer {SECRET}"}
    api = Server(url, "team")
    assert api.url == kubeflow.url + kubeflow.prefix
    assert api.find_pipeline("flow") is None
    assert kubeflow.asked[-1] == "GET /apis/v2beta1/pipelines/names/flow"


def test_a_context_that_is_not_there_is_named(kubeconfig: Path) -> None:
    with pytest.raises(Refused, match="kubeconfig:other: the kubeconfig has no context of that name"):
        Server("kubeconfig:other")


def test_a_kubeconfig_that_cannot_be_read_is_named(kubeconfig: Path) -> None:
    kubeconfig.write_text("contexts: [")
    with pytest.raises(Refused, match="the kubeconfig cannot be used"):
        Server("kubeconfig:")


def test_without_the_kubernetes_package_a_kubeconfig_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes.config", None)
    with pytest.raises(Refused, match="needs the Python package kubernetes, which is not installed"):
        Server("kubeconfig:")


@pytest.mark.parametrize(
    "url",
    [
        *("http://user:{}@host:9", "https://{}@host/pipeline", "http://user:a/{}@host", "user:{}@host"),
        *("https:/user:{}@host", "//user:{}@host", "http:///user:{}@host", "http://https://user:{}@host"),
        *("https//user:{}@host", " https://user:{}@host", "ftp://user:{}@host", "user:/{}@host"),
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Refused, match="a user or a password") as refused:
        access.door(url.format(SECRET), Keys())
    assert SECRET not in refused.value.message and access.TOKEN_SETTING in refused.value.message


@pytest.mark.parametrize("url", ["host.there/{}@host", "user:80/{}@host", "https;//user/{}@host"])
def test_what_is_no_url_and_may_hold_a_password_is_not_repeated(url: str) -> None:
    with pytest.raises(Refused, match="begins with http:// or https://") as refused:
        access.door(url.format(SECRET), Keys())
    assert SECRET not in refused.value.message and access.URL_SETTING in refused.value.message


def test_what_is_no_url_is_named() -> None:
    with pytest.raises(Refused, match="'host:9' is no URL"):
        access.door("host:9", Keys())


@pytest.mark.parametrize("url", ["http://host:9/user/me@home", "https://host/?to=me@home", "http://[::1]:80/a@b"])
def test_a_url_whose_path_holds_an_at_is_one_like_others(url: str) -> None:
    assert access.door(url, Keys()).url == url
