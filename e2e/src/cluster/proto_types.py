"""Go types of Kubeflow Pipelines' two protos, made from the descriptors in its wheels.

The Go module of Pipelines takes these types from two nested modules that the module proxy serves only in older
versions, which lack fields. The wheels of the same release carry the same protos as descriptors, and protoc-gen-go
needs no more than those.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2

from cluster import command, programs, versions
from image_builder import golang

# Raise it when this module makes other files of the same sources.
MAKER = 1


@dataclass(frozen=True)
class Source:
    """One proto: the wheel it lies in, and the nested Go module whose package its types replace."""

    wheel: str
    file: str
    nested: str
    nested_version: str
    package: str


SOURCES = (
    Source(
        "kfp-pipeline-spec", "kfp/pipeline_spec/pipeline_spec_pb2.py",
        "api", "v0.0.0-20250102152816-873e9dedd766", "v2alpha1/go/pipelinespec",
    ),
    Source(
        "kfp-kubernetes", "kfp/kubernetes/kubernetes_executor_config_pb2.py",
        "kubernetes_platform", "v0.0.0-20240725205754-d911c8b73b49", "go/kubernetesplatform",
    ),
)  # fmt: skip


def find(cache: Path) -> tuple[Path, Path] | None:
    """The folders that `make` made, or None."""
    target = _target(cache)
    return (target / "api", target / "kubernetes_platform") if target.is_dir() else None


def make(cache: Path, say: Callable[[str], None]) -> tuple[Path, Path]:
    """Give the folders of the modules `api` and `kubernetes_platform` with types of the pinned release.

    Raises GoBuildError, or Failed when the wheels cannot be had.
    """
    if (found := find(cache)) is not None:
        return found
    target = _target(cache)
    say(f"protos of Kubeflow Pipelines {versions.KUBEFLOW_PIPELINES}: making their Go types")
    generator = golang.build([programs.protoc_gen_go()], cache=cache, say=say)["protoc-gen-go"]
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    site = part / "site"
    _install_wheels(site, cache)
    for source in SOURCES:
        _nested_module(source, part / source.nested, cache)
        _generate(source, site, generator, part / source.nested / source.package)
    shutil.rmtree(site)
    part.rename(target)
    return target / "api", target / "kubernetes_platform"


def _target(cache: Path) -> Path:
    recipe = repr((MAKER, SOURCES, versions.KUBEFLOW_PIPELINES, versions.PROTOC_GEN_GO))
    return cache / "go" / "protos" / hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _install_wheels(site: Path, cache: Path) -> None:
    """Into a folder of their own: these are the server's protos, and the environment's wheels may be newer."""
    wheels = [f"{source.wheel}=={versions.KUBEFLOW_PIPELINES}" for source in SOURCES]
    command.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(site), *wheels],
        log=cache / "logs" / "protos.log",
        environment=os.environ | {"UV_CACHE_DIR": str(cache / "uv")},
        attempts=3,
    )


def _nested_module(source: Source, target: Path, cache: Path) -> None:
    folder = programs.pipelines_folder(cache, source.nested, source.nested_version)
    shutil.copytree(folder, target, copy_function=shutil.copyfile)


def _generate(source: Source, site: Path, generator: Path, target: Path) -> None:
    """Let protoc-gen-go write the types over those of the older version."""
    files = _descriptors(site / source.file)
    name = files[-1].name
    request = plugin_pb2.CodeGeneratorRequest(
        file_to_generate=[name],
        proto_file=files,
        parameter=f"M{name}={programs.PIPELINES_MODULE}/{source.nested}/{source.package}",
    )
    done = subprocess.run([generator], input=request.SerializeToString(), stdout=subprocess.PIPE, check=True)
    response = plugin_pb2.CodeGeneratorResponse.FromString(done.stdout)
    if response.error:
        raise golang.GoBuildError(f"protoc-gen-go: {source.file}: {response.error}.")
    for old in target.glob("*.pb.go"):
        old.unlink()
    for file in response.file:
        (target / Path(file.name).name).write_text(file.content)


# The module registers its protos with the process that imports it, and this process may know newer ones: a child reads.
_READER = """
import importlib.util, sys
from google.protobuf import descriptor_pb2
spec = importlib.util.spec_from_file_location("descriptor", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
files = {}
def walk(descriptor):
    for dependency in descriptor.dependencies:
        walk(dependency)
    proto = descriptor_pb2.FileDescriptorProto()
    descriptor.CopyToProto(proto)
    files.setdefault(descriptor.name, proto)
walk(module.DESCRIPTOR)
sys.stdout.buffer.write(descriptor_pb2.FileDescriptorSet(file=files.values()).SerializeToString())
"""


def _descriptors(file: Path) -> list[descriptor_pb2.FileDescriptorProto]:
    """All protos that the generated module stands for, dependencies first."""
    done = subprocess.run([sys.executable, "-c", _READER, str(file)], stdout=subprocess.PIPE, check=True)
    return list(descriptor_pb2.FileDescriptorSet.FromString(done.stdout).file)
