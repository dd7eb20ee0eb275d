"""`python -m cluster up|kubeflow|forward|status|doctor|down`. Exit codes: 0 done, 1 the world failed, 2 refused."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence

from cluster import doctor, forward, status, steps
from cluster.errors import Failed, Refused
from cluster.kubectl import Kubectl
from cluster.kubeflow import Kubeflow
from cluster.providers import provider_of
from cluster.providers.provider import Health
from cluster.settings import Settings
from cluster.steps import Step
from image_builder.errors import BuildFailed
from image_builder.errors import Refused as ImageRefused
from image_builder.golang import GoBuildError


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    options = _parser().parse_args(words)
    command: Callable[[Settings, argparse.Namespace], None] = options.run
    try:
        settings = Settings.from_environ()
        changes = options.changes and not getattr(options, "dry_run", False)
        with _only_one(settings) if changes else contextlib.nullcontext():
            command(settings, options)
    except (Refused, ImageRefused) as reason:
        print(reason, file=sys.stderr)
        return 2
    except (Failed, BuildFailed, GoBuildError) as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description="The cluster that Tributary is tried on.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, changes, text in (
        ("up", _up, True, "make the cluster, or find it and leave it alone"),
        ("kubeflow", _kubeflow, True, "put in Kubeflow Pipelines, only where the cluster has none"),
        ("forward", _forward, True, "start port-forwards, where the cluster is one of your own"),
        ("status", _status, False, "say what is there"),
        ("doctor", _doctor, False, "say what hinders a start, and change nothing"),
        ("down", _down, True, "take away what `up`, `kubeflow` and `forward` made"),
    ):
        sub = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        sub.set_defaults(run=run, changes=changes)
        if run in (_up, _kubeflow):
            sub.add_argument("--dry-run", action="store_true", help="only say what would be done")
            which = sub.add_mutually_exclusive_group()
            which.add_argument("--only", metavar="STEP", help="run this step alone, even when it is done")
            which.add_argument(
                "--from", dest="start", metavar="STEP", help="run this step even when done, and the rest"
            )
    return parser


def _up(settings: Settings, options: argparse.Namespace) -> None:
    provider = provider_of(settings)
    if provider.health() is not Health.READY:
        doctor.refuse_problems(settings, provider)
    _run(provider.steps(), options)


def _kubeflow(settings: Settings, options: argparse.Namespace) -> None:
    provider = provider_of(settings)
    if provider.health() is not Health.READY:
        if options.dry_run:
            there = f"look for Kubeflow Pipelines in namespace {settings.kubeflow_namespace}, which must be there"
            _screen(f"  would {there if settings.context else 'put in Kubeflow Pipelines once the cluster is up'}")
            return
        raise Failed(f"kubeflow: {settings.kube_context} does not answer. Run `python -m cluster up` first.")
    kubeflow = Kubeflow(settings, provider)
    if kubeflow.is_foreign():
        _screen(f"  {kubeflow.left_alone}")
    _run(kubeflow.steps(), options)


def _run(all_steps: Sequence[Step], options: argparse.Namespace) -> None:
    chosen, forced = steps.select(all_steps, only=options.only, start=options.start)
    if options.dry_run:
        steps.show(chosen, _screen)
    else:
        steps.run(chosen, _screen, force_first=forced)


def _forward(settings: Settings, options: argparse.Namespace) -> None:
    if not settings.context:
        _screen("The cluster shows its ports on 127.0.0.1 by itself; there is nothing to forward.")
        return
    kubectl = Kubectl.of(settings, provider_of(settings).kubectl())
    forward.start(settings, kubectl, _screen)


def _status(settings: Settings, options: argparse.Namespace) -> None:
    for line in status.lines(settings, provider_of(settings)):
        _screen(line)


def _doctor(settings: Settings, options: argparse.Namespace) -> None:
    provider = provider_of(settings)
    doctor.refuse_problems(settings, provider)
    _screen(f"Nothing hinders a start of {settings.kube_context} by {provider.name}.")


def _down(settings: Settings, options: argparse.Namespace) -> None:
    forward.stop(settings, _screen)
    provider_of(settings).down(_screen)
    shutil.rmtree(settings.state, ignore_errors=True)


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Let a second command on the same cluster wait: two that make one cluster would tear at each other."""
    lock = settings.state.with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _screen(f"  another command works on {settings.kube_context}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _screen(line: str) -> None:
    print(line, flush=True)
