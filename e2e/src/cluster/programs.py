"""The Go programs that a cluster without a registry is made of, as data for image_builder.golang."""

from __future__ import annotations

from pathlib import Path

from cluster import versions
from image_builder import golang
from image_builder.golang import GoProgram

_KUBERNETES_PROGRAMS = (
    "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubeadm", "kubectl",
)  # fmt: skip
_ARGO_SIGNALS = Path(__file__).parent / "argo" / "signal_linux.go"
ARGO_MODULE = "github.com/argoproj/argo-workflows/v3"
PIPELINES_MODULE = "github.com/kubeflow/pipelines"
# The checksum database does not know these pseudo-versions. The module's own go.sum still holds for all it needs.
_PIPELINES_ENV = {"GONOSUMDB": f"{PIPELINES_MODULE},{PIPELINES_MODULE}/*"}


def _kubernetes_ldflags(package: str) -> str:
    major, minor, _ = versions.KUBERNETES.removeprefix("v").split(".")
    return f"-X {package}.gitVersion={versions.KUBERNETES} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"


def kubernetes() -> list[GoProgram]:
    """The control plane, kubelet, kube-proxy, kubeadm and kubectl.

    The module's staging folders are modules of their own, and published as v0.MINOR.PATCH.
    """
    return [
        GoProgram(
            name, "k8s.io/kubernetes", versions.KUBERNETES, f"cmd/{name}",
            ldflags=_kubernetes_ldflags("k8s.io/component-base/version"),
            nested=versions.KUBERNETES.replace("v1.", "v0."),
        )
        for name in _KUBERNETES_PROGRAMS
    ]  # fmt: skip


def kubectl() -> GoProgram:
    """kubectl alone, for a machine that has none."""
    return next(program for program in kubernetes() if program.name == "kubectl")


KIND = GoProgram("kind", "sigs.k8s.io/kind", versions.KIND)
ETCD = GoProgram("etcd", "go.etcd.io/etcd/server/v3", versions.ETCD)
COREDNS = GoProgram("coredns", "github.com/coredns/coredns", versions.COREDNS)
LOCAL_PATH_PROVISIONER = GoProgram(
    "local-path-provisioner", "github.com/rancher/local-path-provisioner", versions.LOCAL_PATH_PROVISIONER
)


def helm() -> GoProgram:
    """Helm. Without the flags it believes that `helm template` is for Kubernetes 1.20."""
    major, minor, _ = versions.KUBERNETES.removeprefix("v").split(".")
    module = "helm.sh/helm/v3"
    flags = [f"-X {module}/internal/version.version={versions.HELM}"]
    for package in ("pkg/chartutil", "pkg/lint/rules"):
        flags += [f"-X {module}/{package}.k8sVersionMajor={major}", f"-X {module}/{package}.k8sVersionMinor={minor}"]
    return GoProgram("helm", module, versions.HELM, "cmd/helm", ldflags=" ".join(flags))


def argo() -> list[GoProgram]:
    """Argo's controller and the executor. The zip lacks the executor's file for signals on Linux."""
    return [
        GoProgram(
            name, ARGO_MODULE, versions.ARGO, f"cmd/{name}",
            ldflags=f"-X {ARGO_MODULE}.version={versions.ARGO}",
            overlay=(("workflow/executor/osspecific/signal_linux.go", _ARGO_SIGNALS),),
        )
        for name in ("workflow-controller", "argoexec")
    ]  # fmt: skip


def protoc_gen_go() -> GoProgram:
    """Turns proto descriptors into Go types."""
    return GoProgram("protoc-gen-go", "google.golang.org/protobuf", versions.PROTOC_GEN_GO, "cmd/protoc-gen-go")


def pipelines(api: Path, kubernetes_platform: Path) -> list[GoProgram]:
    """The programs of Kubeflow Pipelines. The two folders stand in the place of its nested modules.

    The API server links sqlite, hence cgo.
    """
    overlay = (("api", api), ("kubernetes_platform", kubernetes_platform))
    go_env = tuple(_PIPELINES_ENV.items())
    plain = {
        "driver": "backend/src/v2/cmd/driver",
        "launcher-v2": "backend/src/v2/cmd/launcher-v2",
        "persistence-agent": "backend/src/agent/persistence",
        "scheduled-workflow": "backend/src/crd/controller/scheduledworkflow",
    }
    version = versions.KUBEFLOW_PIPELINES_MODULE
    return [
        *(
            GoProgram(name, PIPELINES_MODULE, version, package, overlay=overlay, go_env=go_env)
            for name, package in plain.items()
        ),
        GoProgram(
            "kfp-apiserver", PIPELINES_MODULE, version, "backend/src/apiserver",
            tags="netgo osusergo sqlite_omit_load_extension", cgo=True, overlay=overlay, go_env=go_env,
        ),
    ]  # fmt: skip


def pipelines_folder(cache: Path, nested: str = "", version: str = versions.KUBEFLOW_PIPELINES_MODULE) -> Path:
    """The files of the module of Pipelines, or of one nested in it. Raises GoBuildError."""
    module = f"{PIPELINES_MODULE}/{nested}" if nested else PIPELINES_MODULE
    return golang.module_folder(module, version, cache=cache, go_env=_PIPELINES_ENV)


def argo_folder(cache: Path) -> Path:
    """The files of Argo's module. Raises GoBuildError."""
    return golang.module_folder(ARGO_MODULE, versions.ARGO, cache=cache)
