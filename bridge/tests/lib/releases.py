"""Kubeflow Pipelines' protos as each release of the server has them, out of that release's wheels.

The wheels of different releases cannot be installed beside each other, so each release has a folder of its own in the
cache, and is read by a process of its own. Their hashes stand in tests/releases/<version>.txt.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LOCKS = Path(__file__).parents[1] / "releases"
RELEASES = sorted((file.stem for file in LOCKS.glob("*.txt")), key=lambda each: tuple(map(int, each.split("."))))

# Written in a child: a process can know one release's protos only.
_READER = """
import importlib.util, json, sys, types
from google.protobuf import json_format

def load(path):
    found = importlib.util.spec_from_file_location(path.rsplit("/", 1)[1].removesuffix(".py"), path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module

spec = load(sys.argv[1] + "/kfp/pipeline_spec/pipeline_spec_pb2.py")
# The other proto imports this one, and must not find the kfp that is installed.
package = types.ModuleType("kfp.pipeline_spec")
package.pipeline_spec_pb2 = spec
sys.modules["kfp"] = types.ModuleType("kfp")
sys.modules["kfp.pipeline_spec"], sys.modules["kfp.pipeline_spec.pipeline_spec_pb2"] = package, spec
kubernetes = load(sys.argv[1] + "/kfp/kubernetes/kubernetes_executor_config_pb2.py")

def check(text):
    pipeline, platform = (json.loads(part) for part in text.split("\\n---\\n"))
    json_format.ParseDict(pipeline, spec.PipelineSpec())
    json_format.ParseDict(pipeline["deploymentSpec"], spec.PipelineDeploymentConfig())
    json_format.ParseDict(platform, spec.PlatformSpec())
    for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        json_format.ParseDict(executor, kubernetes.KubernetesExecutorConfig())

answers = []
for text in json.load(sys.stdin):
    try:
        check(text)
        answers.append(None)
    except json_format.ParseError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def refusals(release: str, texts: Sequence[str]) -> list[str | None]:
    """What the release's protos say of each deployment, read strictly: None where every field is known."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _READER, str(_wheels(release))],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[str | None] = json.loads(done.stdout)
    return answers


def _wheels(release: str) -> Path:
    """The folder with the release's two wheels, fetched and checked by their hashes when it is not there."""
    lock = LOCKS / f"{release}.txt"
    target = _cache() / "protos" / f"{release}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    arguments = ["--quiet", "--no-deps", "--require-hashes", "--target", str(part), "--requirement", str(lock)]
    subprocess.run([sys.executable, "-m", "uv", "pip", "install", *arguments], check=True)
    try:
        part.rename(target)
    except OSError:
        # Another test has made it meanwhile.
        shutil.rmtree(part)
    return target


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CACHE") or home / "tributary")
