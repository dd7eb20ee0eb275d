"""`python -m release_setup credentials | bucket`: what the setup Jobs of a release run."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from release_setup.api_server import ApiServer
from release_setup.credentials import make, wanted_secrets
from release_setup.errors import Away, Refused
from release_setup.patience import patiently

PATIENCE = 240.0
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

CREDENTIALS_HELP = "Make each Secret of TRIBUTARY_SECRETS (JSON) that is absent."
BUCKET_HELP = (
    "Make TRIBUTARY_BUCKET on TRIBUTARY_OBJECT_STORE_URL and a user for it. The folders TRIBUTARY_ROOT_KEY and "
    "TRIBUTARY_LIMITED_KEY hold the files access-key and secret-key."
)


def say(line: str) -> None:
    """Print at once: the log of a Job is read while it runs."""
    print(line, flush=True)


def credentials(environ: Mapping[str, str], patience: float) -> None:
    """Make the Secrets. Raises Refused and, when the patience is over, Away."""
    (text,) = _settings(environ, "TRIBUTARY_SECRETS")
    wanted = wanted_secrets(text)
    api = ApiServer.of_this_pod(environ, ACCOUNT)
    patiently(lambda: make(api, wanted, say), within=patience)


def bucket(environ: Mapping[str, str], patience: float) -> None:
    """Make the bucket and its user. Raises Refused and, when the patience is over, Away."""
    # Here and not above: its client takes longer to load than all that the credentials need.
    from release_setup.bucket import AccessKey, Store, prepare

    url, name, root, limited = _settings(
        environ, "TRIBUTARY_OBJECT_STORE_URL", "TRIBUTARY_BUCKET", "TRIBUTARY_ROOT_KEY", "TRIBUTARY_LIMITED_KEY"
    )
    store = Store(url, name, root=AccessKey.read(Path(root)), limited=AccessKey.read(Path(limited)))
    patiently(lambda: prepare(store, say), within=patience)


def main(arguments: Sequence[str], environ: Mapping[str, str], patience: float = PATIENCE) -> int:
    """Exit code 0 when all is as wanted, 1 when the other side stayed away, 2 when what the Job was given is wrong."""
    parser = argparse.ArgumentParser(prog="release_setup", description="What a release of Tributary needs done once.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("credentials", help=CREDENTIALS_HELP, description=CREDENTIALS_HELP)
    commands.add_parser("bucket", help=BUCKET_HELP, description=BUCKET_HELP)
    command = {"credentials": credentials, "bucket": bucket}[parser.parse_args(arguments).command]
    try:
        command(environ, patience)
    except Refused as refusal:
        print("\n".join(refusal.problems), file=sys.stderr)
        return 2
    except Away as reason:
        print(f"{reason}. Still so after {patience:.0f} s; look at the other side's log.", file=sys.stderr)
        return 1
    return 0


def _settings(environ: Mapping[str, str], *names: str) -> list[str]:
    if absent := [name for name in names if not environ.get(name)]:
        raise Refused(*(f"{name}: is not set. Set it in the Job's environment." for name in absent))
    return [environ[name] for name in names]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
