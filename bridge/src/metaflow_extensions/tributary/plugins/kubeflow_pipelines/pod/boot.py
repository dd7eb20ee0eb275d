"""The command of every step's container. Each step of a pipeline carries it, so it does the least that finds the rest:
it fetches the deployment record from the object store, and runs the loader that lies in it.
"""

import base64
import json
from pathlib import Path

from ..record import Deployment
from .outputs import TERMINATION_LOG

# Where the pipeline mounts the pods' Metaflow config (config/config.json). The store's key comes as variables.
MOUNT = "/var/run/tributary"

# What an image must have beside Python, or a pip that finds it.
PACKAGES = "boto3 requests"

_LOADER = Path(__file__).with_name("loader.py")

# argv[1] is the record's URL; its last 40 characters are the SHA-1 of what lies there. A store that is away is asked
# for about a minute. What an image lacks of the two packages is installed as Metaflow's own pods do; a folder that pip
# has to make for it was not there when Python looked for packages. What fails, here or in the loader, is said in one
# line, and to Kubernetes.
_BOOT = f"""\
import hashlib,json,os,sys
f="{TERMINATION_LOG}"
sys.excepthook=lambda _,e,t:print(e,file=sys.stderr)or os.path.exists(f)and open(f,"w").write(str(e))
try:import boto3,requests
except ImportError:
 if os.getenv("METAFLOW_SKIP_INSTALL_DEPENDENCIES")or os.system(sys.executable+" -m pip install -q {PACKAGES}"):
  raise ImportError("put {PACKAGES} into the image")
 import site;sys.path+=[site.getusersitepackages()];import boto3
os.chdir("{MOUNT}")
os.environ.update(AWS_MAX_ATTEMPTS="9",AWS_RETRY_MODE="standard")
b,k=sys.argv[1][5:].split("/",1)
s=boto3.client("s3",endpoint_url=json.load(open("config/config.json")).get("METAFLOW_S3_ENDPOINT_URL"))
r=s.get_object(Bucket=b,Key=k)["Body"].read()
if hashlib.sha1(r).hexdigest()!=k[-40:]:raise ValueError(k+": other SHA-1")
d=json.loads(r);exec(d["loader"]);main(d,s)"""


# A sandbox's script may set variables and install what the rest needs. In base64, nobody on the way replaces a word of
# it, and the shell of the container reads it as it was written. The loader is told these very words of the shell's: the
# nodes of a gang begin with them too.
_AFTER_SCRIPT = 'eval "`echo {script} | base64 -d`" && TRIBUTARY_SHELL="$BASH_EXECUTION_STRING" exec "$0" "$@"'


def command(init_script: str | None = None) -> list[str]:
    """The container's command. Its arguments follow: the record's URL, and then what runner.main takes.

    `init_script` is run before all else, by bash as Metaflow's own pods do.
    """
    boot = ["python3", "-uc", _BOOT]
    if init_script is None:
        return boot
    script = base64.b64encode(init_script.encode()).decode()
    return ["bash", "-c", _AFTER_SCRIPT.format(script=script), *boot]


def blob(deployment: Deployment) -> bytes:
    """What is stored beside the code package: the record, and the loader that reads it."""
    document = {"loader": _LOADER.read_text(), "record": json.loads(deployment.to_json())}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
