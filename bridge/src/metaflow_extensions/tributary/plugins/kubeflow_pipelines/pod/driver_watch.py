"""A process beside the runner in a gang's pod: sends it SIGTERM when the pod of the gang's driver has ended.

    python -m ….pod.driver_watch RUNNER_PROCESS URL ACCOUNT_FOLDER NAMESPACE DRIVER_POD

The runner itself cannot ask: it may have no other thread when it forks, and it waits for its step otherwise.
"""

import os
import signal
import sys
import time
from pathlib import Path

from .cluster import ApiError, Cluster, Unreachable

EVERY_SECONDS = 15.0


def has_ended(cluster: Cluster, namespace: str, pod: str) -> bool:
    """Whether the pod is gone, or will not run again. ApiError, Unreachable."""
    try:
        found = cluster.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")
    except ApiError as error:
        if error.code == 404:
            return True
        raise
    return found["status"].get("phase") in ("Succeeded", "Failed") or "deletionTimestamp" in found["metadata"]


def main(runner: int, cluster: Cluster, namespace: str, driver: str) -> None:
    """Ask until the driver has ended, and send the signal until the runner is gone: as the first process of a container
    it hears none before it has said what to do with it. A Kubernetes that is away or refuses is asked again: an API
    server that starts anew refuses for a while, and a node that no longer asks would outlive its driver.
    """
    refusal = ""
    while os.getppid() == runner:
        try:
            if has_ended(cluster, namespace, driver):
                print(f"the gang's driver, pod {driver}, has ended: this node stops", file=sys.stderr, flush=True)
                os.kill(runner, signal.SIGTERM)
        except Unreachable as error:
            print(f"pod {driver}, the gang's driver, cannot be asked for: {error}", file=sys.stderr, flush=True)
        except ApiError as error:
            if str(error) != refusal:
                refusal = str(error)
                print(f"pod {driver}, the gang's driver, cannot be asked for: {error}", file=sys.stderr, flush=True)
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]), Cluster(sys.argv[2], Path(sys.argv[3])), *sys.argv[4:])
