"""A step whose first attempt is struck by what --how names, behind a step whose failure is caught."""

import os
import signal

from gates import wait_to_die
from metaflow import FlowSpec, Parameter, catch, current, kubernetes, step

KINDS = ("nothing", "failure", "memory", "signal", "deletion")


class StrickenFlow(FlowSpec):
    how = Parameter("how", help=f"One of {', '.join(KINDS)}", default="nothing")
    gate = Parameter("gate", help="Where the step says which pod it runs in, for a deletion", default="")

    @step
    def start(self):
        self.base = 20
        self.next(self.caught)

    @catch(var="trouble")
    @step
    def caught(self):
        fail(f"caught on purpose, base {self.base}")
        self.next(self.stricken)

    # Only with this quality of service does Metaflow make what is asked for a limit too.
    @kubernetes(memory=512, cpu=0.5, qos="Guaranteed")
    @step
    def stricken(self):
        assert self.how in KINDS, self.how
        if current.retry_count == 0:
            strike(self.how, self.gate)
        self.result = self.base + 1
        self.next(self.end)

    @step
    def end(self):
        self.report = f"result {self.result}, attempt of trouble: {self.trouble is not None}"


def fail(reason: str) -> None:
    raise ValueError(reason)


def strike(how: str, gate: str) -> None:
    """Fail in this way; `nothing` returns."""
    if how == "failure":
        raise RuntimeError("failed on purpose")
    if how == "memory":
        # Written to, so that the pages are really there. Should nothing stop it, the node survives.
        hoard = [os.urandom(1 << 24) for _ in range(64)]
        raise RuntimeError(f"nobody stopped {len(hoard) // 64} GiB")
    if how == "signal":
        # The runner, as a kubelet that drains its node would tell it.
        os.kill(os.getppid(), signal.SIGTERM)
        signal.pause()
    if how == "deletion":
        wait_to_die(gate, "arrived")


if __name__ == "__main__":
    StrickenFlow()
