"""Ansible module: the endpoints in a client's configuration answer from here, and its key opens its bucket."""

from __future__ import annotations

import configparser
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

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
  - It has nobody's login. Where one may stand before an endpoint, being asked for it is an answer, and a warning.
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
      behind_login: {description: Whether a login may stand before it., type: bool, default: false}
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
logins: {description: What answers and wants a login in sentences., type: list, returned: on success}
"""

ARGUMENTS = arguments(DOCUMENTATION)

TIMEOUT = urllib3.Timeout(connect=3, read=10)
DENIED = (401, 403)
SENT_ON = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Heard:
    """What one address answered: what is wrong with it, or that it wants a login, in a sentence; else neither."""

    wrong: str = ""
    login: str = ""


def wants_login(asked: str, status: int, location: str) -> bool:
    """Whether this answer comes from a login that stands before the address: it denies, or sends on to elsewhere.

    Sent on to the same place, by https or with a slash, is no login but an address that is not quite right.
    """
    if status in DENIED:
        return True
    here, there = urlsplit(asked), urlsplit(urljoin(asked, location))
    moved = (here.hostname, here.path.rstrip("/")) != (there.hostname, there.path.rstrip("/"))
    return status in SENT_ON and bool(location) and moved


def ask_endpoint(endpoint: Mapping[str, Any]) -> Heard:
    """What one endpoint answers."""
    where = f"{endpoint['name']}: {endpoint['url']}"
    try:
        with urllib3.PoolManager(retries=False, timeout=TIMEOUT) as pool:
            answer = pool.request("GET", endpoint["url"])
    except urllib3.exceptions.HTTPError as error:
        return Heard(
            f"{where} does not answer from here ({reason(error)}). Give the address that works from this machine."
        )
    location = answer.headers.get("Location", "") if answer.status in SENT_ON else ""
    # What follows the address may hold what only the browser of one login may know.
    said = f"answers {answer.status}" + (f" and sends on to {location.split('?')[0]}" if location else "")
    if endpoint["behind_login"] and wants_login(endpoint["url"], answer.status, location):
        return Heard(login=f"{where} {said}: it wants a login. What is behind that was not asked.")
    if answer.status != 200:
        return Heard(f"{where} {said}. Give the address of the right service.")
    if endpoint["telling"] and not _tells(answer.data, endpoint["telling"]):
        return Heard(f"{where} answers, and is something else. Give the address of the right service.")
    return Heard()


def ask_store(store: Mapping[str, Any]) -> Heard:
    """Whether the key in the file lists the bucket."""
    where = f"object store: bucket {store['bucket']!r} at {store['url']}"
    try:
        client = _store_client(store)
        client.list_objects_v2(Bucket=store["bucket"], MaxKeys=1)
    except botocore.exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        return Heard(
            f"{where} refuses the key in {store['credentials_file']} ({code}). Look at the setup Jobs of the release."
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        return Heard(
            f"{where} cannot be listed ({str(error).rstrip('.')}). Give the address that works from this machine."
        )
    return Heard()


def until_well(ask: Callable[[], Heard], attempts: int, pause: float) -> Heard:
    """Ask until nothing is wrong, a bounded number of times; gives what was heard at last."""
    heard = ask()
    for _ in range(attempts - 1):
        if not heard.wrong:
            break
        time.sleep(pause)
        heard = ask()
    return heard


def check(params: Mapping[str, Any]) -> list[Heard]:
    """What each of them answers at last."""
    asks: list[Callable[[], Heard]] = [partial(ask_endpoint, endpoint) for endpoint in params["endpoints"]]
    if params["store"]:
        asks.append(partial(ask_store, params["store"]))
    return [until_well(ask, params["attempts"], params["pause"]) for ask in asks]


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
    found = check(params)
    if wrong := [heard.wrong for heard in found if heard.wrong]:
        module.fail_json(msg=" ".join(wrong), asked=asked)
    logins = [heard.login for heard in found if heard.login]
    for login in logins:
        module.warn(login)
    module.exit_json(changed=False, asked=asked, logins=logins)


if __name__ == "__main__":
    main()
