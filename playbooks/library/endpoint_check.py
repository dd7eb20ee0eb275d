"""Ansible module: the endpoints in a client's configuration answer from here, and its key opens its bucket."""

from __future__ import annotations

import configparser
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
import urllib3
from ansible.module_utils.basic import AnsibleModule
from botocore.config import Config

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import reason
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import reason

DOCUMENTATION = """
module: endpoint_check
short_description: The endpoints of a client answer from here
description:
  - Asks every endpoint, again for a while if need be.
  - Fails with one sentence for each that does not answer as it should.
  - In check mode it asks nothing, because what would answer may not be there yet.
options:
  endpoints:
    description: The endpoints.
    type: list
    elements: dict
    default: []
    options:
      name: {description: What to call it., type: str, required: true}
      url: {description: The address that has to answer 200., type: str, required: true}
      telling: {description: Keys of which the JSON answer must have one., type: list, elements: str, default: []}
  store:
    description: The object store whose bucket the key has to open.
    type: dict
    options:
      url: {description: Its endpoint., type: str, required: true}
      bucket: {description: The bucket., type: str, required: true}
      credentials_file: {description: The AWS credentials file., type: path, required: true}
  attempts: {description: How often to ask before giving up., type: int, default: 15}
  pause: {description: Seconds between two attempts., type: float, default: 2}
"""

RETURN = """
asked: {description: What was asked or in check mode would be., type: list, returned: always}
"""

ARGUMENTS = arguments(DOCUMENTATION)

TIMEOUT = urllib3.Timeout(connect=3, read=10)


def ask_endpoint(endpoint: Mapping[str, Any]) -> str | None:
    """What is wrong with one endpoint, or None."""
    where = f"{endpoint['name']}: {endpoint['url']}"
    try:
        with urllib3.PoolManager(retries=False, timeout=TIMEOUT) as pool:
            answer = pool.request("GET", endpoint["url"])
    except urllib3.exceptions.HTTPError as error:
        return f"{where} does not answer from here ({reason(error)}). Give the address that works from this machine."
    if answer.status != 200:
        return f"{where} answers {answer.status}. Give the address of the right service."
    if endpoint["telling"] and not _tells(answer.data, endpoint["telling"]):
        return f"{where} answers, and is something else. Give the address of the right service."
    return None


def ask_store(store: Mapping[str, Any]) -> str | None:
    """Whether the key in the file lists the bucket: what is wrong, or None."""
    where = f"object store: bucket {store['bucket']!r} at {store['url']}"
    try:
        client = _store_client(store)
        client.list_objects_v2(Bucket=store["bucket"], MaxKeys=1)
    except botocore.exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        return (
            f"{where} refuses the key in {store['credentials_file']} ({code}). Look at the setup Jobs of the release."
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        return f"{where} cannot be listed ({str(error).rstrip('.')}). Give the address that works from this machine."
    return None


def until_well(ask: Callable[[], str | None], attempts: int, pause: float) -> str | None:
    """Ask until nothing is wrong, a bounded number of times; gives what is wrong at last."""
    wrong = ask()
    for _ in range(attempts - 1):
        if wrong is None:
            break
        time.sleep(pause)
        wrong = ask()
    return wrong


def check(params: Mapping[str, Any]) -> list[str]:
    """All that is wrong."""
    asks: list[Callable[[], str | None]] = [partial(ask_endpoint, endpoint) for endpoint in params["endpoints"]]
    if params["store"]:
        asks.append(partial(ask_store, params["store"]))
    found = [until_well(ask, params["attempts"], params["pause"]) for ask in asks]
    return [wrong for wrong in found if wrong]


def _store_client(store: Mapping[str, Any]) -> Any:
    # The key is read and handed over here, because boto3 by itself would prefer one from the environment.
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(store["credentials_file"], encoding="utf-8")
    return boto3.client(
        "s3",
        endpoint_url=store["url"],
        region_name="us-east-1",
        aws_access_key_id=parser.get("default", "aws_access_key_id", fallback=""),
        aws_secret_access_key=parser.get("default", "aws_secret_access_key", fallback=""),
        config=Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1}),
    )


def _tells(body: bytes, keys: Sequence[str]) -> bool:
    try:
        told = json.loads(body)
    except ValueError:
        return False
    return isinstance(told, dict) and any(key in told for key in keys)


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    params = module.params
    asked = [endpoint["url"] for endpoint in params["endpoints"]]
    if params["store"]:
        asked.append(f"{params['store']['url']}/{params['store']['bucket']}")
    if module.check_mode:
        module.exit_json(changed=False, asked=asked, msg="Nothing was asked: in check mode it may not be there yet.")
    if wrong := check(params):
        module.fail_json(msg=" ".join(wrong), asked=asked)
    module.exit_json(changed=False, asked=asked)


if __name__ == "__main__":
    main()
