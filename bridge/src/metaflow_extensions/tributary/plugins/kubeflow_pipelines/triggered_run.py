"""What Metaflow's Deployer API gives for a run on Kubeflow Pipelines.

Each method runs the command of the same name, with the Deployer's environment, folder and profile: so the rules stand
in one place, and what is refused on the command line is refused here, with the same words.
"""

import json
import time
from typing import Any

from metaflow.runner.deployer import TriggeredRun
from metaflow.runner.utils import handle_timeout, temporary_fifo

from . import door


class KubeflowPipelinesTriggeredRun(TriggeredRun):  # type: ignore[misc]
    """
    A run that was started on Kubeflow Pipelines.
    """

    @property
    def run_id(self) -> str:
        """
        Metaflow's id of the run.
        """
        return str(self.pathspec).rsplit("/", 1)[-1]

    @property
    def status(self) -> str:
        """
        How the run stands.

        Returns
        -------
        str
            Pending, Running, Paused, Canceling, Succeeded, Failed, Canceled or Skipped.

        Raises
        ------
        CommandFailed
            If Kubeflow Pipelines does not say.
        """
        return str(self.status_details["state"]).capitalize()

    @property
    def status_details(self) -> dict[str, Any]:
        """
        What `status --json` says: the run's state and error, and those of its tasks.
        """
        details: dict[str, Any] = json.loads(door.output(self.deployer, "status", run_id=self.run_id, as_json=True))
        return details

    @property
    def is_running(self) -> bool:
        """
        Whether the run has not ended.
        """
        return self.status not in ("Succeeded", "Failed", "Canceled", "Skipped")

    def wait_for_completion(self, check_interval: int = 5, timeout: int | None = None) -> None:
        """
        Wait for the run's end.

        Parameters
        ----------
        check_interval : int, default 5
            Seconds between two looks.
        timeout : int, optional, default None
            Seconds to wait at most. If None, waits as long as it takes.

        Raises
        ------
        TimeoutError
            If the run has not ended by then.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.is_running:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"Run {self.run_id} has not ended within {timeout} seconds.")
            time.sleep(check_interval)

    def terminate(self, authorize: str | None = None, **kwargs: Any) -> bool:
        """
        Terminate the run.

        Parameters
        ----------
        authorize : str, optional, default None
            The deployment's production token, if somebody else made it.

        Returns
        -------
        bool
            True if the command was successful, False otherwise.
        """
        return door.succeeds(self.deployer, "terminate", run_id=self.run_id, authorize=authorize, **kwargs)

    def retry(self, authorize: str | None = None, **kwargs: Any) -> bool:
        """
        Run again what failed in the run, after it has ended.

        Parameters
        ----------
        authorize : str, optional, default None
            The deployment's production token, if somebody else made it.

        Returns
        -------
        bool
            True if the command was successful, False otherwise.
        """
        return door.succeeds(self.deployer, "retry", run_id=self.run_id, authorize=authorize, **kwargs)

    def suspend(self, **kwargs: Any) -> bool:
        """
        Refused with the reason: what Metaflow's Argo integration does here is not to be had.

        Raises
        ------
        CommandFailed
            Always, with the command's words.
        """
        door.output(self.deployer, "suspend", run_id=self.run_id, **kwargs)
        return True

    def unsuspend(self, **kwargs: Any) -> bool:
        """
        Refused with the reason: what Metaflow's Argo integration does here is not to be had.

        Raises
        ------
        CommandFailed
            Always, with the command's words.
        """
        door.output(self.deployer, "unsuspend", run_id=self.run_id, **kwargs)
        return True

    def resume(self, **kwargs: Any) -> "KubeflowPipelinesTriggeredRun":
        """
        Start a run that takes over what ended well in this one, and runs the rest.

        Parameters
        ----------
        step_to_rerun : str, optional, default None
            Run this step and all that follow again, also where they ended well.
        experiment : str, optional, default None
            Experiment that the run belongs to.
        version_name : str, optional, default None
            Version of the pipeline to run. The newest is run without it.

        Returns
        -------
        KubeflowPipelinesTriggeredRun
            The new run. RuntimeError with the command's words when it was refused.
        """
        return started(self.deployer, "resume", run_id=self.run_id, **kwargs)

    def logs(self, place: str | None = None, **kwargs: Any) -> str:
        """
        What the run's tasks wrote, as `logs` shows it.

        Parameters
        ----------
        place : str, optional, default None
            STEP, or STEP/INDEX/... for the tasks below these indexes; with -rROUND behind it, for one round of a
            step that follows itself. All tasks without it.
        stdout, stderr, timestamps : bool, optional, default False
            The options of `logs`.
        attempt : int, optional, default None
            The attempt to show, in place of the latest.

        Returns
        -------
        str
            The lines.

        Raises
        ------
        CommandFailed
            If none of the tasks has begun.
        """
        where = {} if place is None else {"place": place}
        return door.output(self.deployer, "logs", run_id=self.run_id, **where, **kwargs)


def started(deployer: Any, name: str, **options: Any) -> KubeflowPipelinesTriggeredRun:
    """The run that a command starts, which writes its id into a pipe."""
    with (
        temporary_fifo() as (path, pipe),
        door.started(deployer, name, {"deployer_attribute_file": path, **options}) as command,
    ):
        content = handle_timeout(pipe, command, deployer.file_read_timeout)
        command.sync_wait()
        if command.process.returncode != 0:
            raise door.CommandFailed(door.text(command, "stderr"))
    return KubeflowPipelinesTriggeredRun(deployer=deployer, content=content)
