"""The second thing that runs in a step's container: fetches the code package, unpacks it, and hands over to the runner
in it.

Its text travels beside the deployment record and is run by the boot command, before any of our packages can be
imported: so it is one file, and uses the standard library alone.
"""

import hashlib
import importlib
import io
import json
import os
import sys
import tarfile
import tempfile
import time
from typing import Any

CODE_FOLDER = ".mf_code"
RUNNER = "metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.runner"

# Seconds between one try and the next to read an object whole.
_PAUSES = (1, 2, 4, 8, 16)


def fetch(store: Any, url: str, sha: str) -> bytes:
    """The object at an s3:// URL. ValueError when its SHA-1 is another."""
    bucket, key = url[len("s3://") :].split("/", 1)
    blob = _read(store, bucket, key)
    found = hashlib.sha1(blob).hexdigest()
    if found != sha:
        raise ValueError(f"{url}: has SHA-1 {found}, not {sha}. Deploy the flow again.")
    return blob


def _read(store: Any, bucket: str, key: str) -> bytes:
    """An object's bytes. botocore asks again for an answer, and not for one that breaks off in the middle."""
    # The image has it beside boto3, which the boot command has seen to.
    from botocore.exceptions import HTTPClientError, IncompleteReadError

    for pause in _PAUSES:
        body = store.get_object(Bucket=bucket, Key=key)["Body"]
        try:
            blob: bytes = body.read()
            return blob
        except (HTTPClientError, IncompleteReadError) as error:
            print(f"s3://{bucket}/{key}: broke off, asked again in {pause} s: {error}", file=sys.stderr)
        time.sleep(pause)
    last: bytes = store.get_object(Bucket=bucket, Key=key)["Body"].read()
    return last


def unpack(blob: bytes, metadata: str) -> str:
    """Unpack a code package into a new folder, and give the folder."""
    form = json.loads(metadata)
    if form["archive_format"] != "tgz" or form["mfcontent_version"] != 1:
        raise ValueError(
            f"code package: its form {metadata} is not known. Deploy the flow with the Metaflow of this extension."
        )
    # Metaflow's @conda reads the environment's id out of paths that begin with a folder of this very name.
    root = os.path.join(tempfile.mkdtemp(prefix="metaflow-"), "metaflow")
    os.mkdir(root)
    with tarfile.open(fileobj=io.BytesIO(blob), mode="r:gz") as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(root, filter="data")
        else:
            archive.extractall(root)
    return root


def enter(root: str) -> None:
    """Make the unpacked package the place that everything is imported from, here and in processes started from here.

    What the image holds of metaflow or of this extension comes after it, and is not seen.
    """
    os.chdir(root)
    # Keeps Metaflow from announcing that it makes a local datastore.
    os.mkdir(".metaflow")
    code = os.path.join(root, CODE_FOLDER)
    os.environ["METAFLOW_EXTRACTED_ROOT"] = root
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (code, os.environ.get("PYTHONPATH"))))
    sys.path[:] = [root, code, *filter(None, sys.path)]


def main(document: dict[str, Any], store: Any) -> None:
    """End the process with the runner's exit code. `document` holds the deployment record, `store` is boto3's S3
    client.
    """
    # The boot command sets these two for its own client; the step's clients have Metaflow's settings.
    for variable in ("AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"):
        os.environ.pop(variable, None)
    # Python does not know of the shell that came before it, where a script is to be run first.
    shell = os.environ.pop("TRIBUTARY_SHELL", None)
    os.environ["TRIBUTARY_COMMAND"] = json.dumps([*(["bash", "-c", shell] if shell else []), *sys.orig_argv])
    os.environ["METAFLOW_HOME"] = os.path.join(os.getcwd(), "config")
    record = document["record"]
    # What fails up to here ends in the boot command's one sentence; the runner has its own.
    enter(unpack(fetch(store, record["code_url"], record["code_sha"]), record["code_metadata"]))
    sys.exit(importlib.import_module(RUNNER).main(json.dumps(record), sys.argv[2:]))
