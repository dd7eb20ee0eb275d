"""`python -m installer install|demo|env|programs|uninstall`: what the Makefile calls."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cluster import forward, programs
from cluster.errors import Failed, Refused
from cluster.kubeflow import Kubeflow
from cluster.providers import provider_of
from cluster.settings import Settings
from image_builder import golang
from installer import demo, inputs, playbooks, tools
from installer.stages import StageFailed, command, stage
from laptop.shell import CommandFailed, Laptop

ROOT = Path(__file__).parents[3]


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code: 0 done, 1 the world failed, 2 the user's input is refused."""
    parser = argparse.ArgumentParser(prog="installer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    install_ = commands.add_parser("install", help="cluster, Kubeflow Pipelines, platform and demo")
    install_.add_argument("--dry-run", action="store_true", help="change nothing and say what would be done")
    install_.add_argument("--values", action="append", default=[], type=Path, help="a values file of your own")
    install_.add_argument("--no-demo", action="store_true", help="leave the demo out")
    demo_ = commands.add_parser("demo", help="find the demo's run, or run it")
    demo_.add_argument("--again", action="store_true", help="run it even when this code has already run")
    commands.add_parser("env", help="print the exports that configure a shell")
    programs_ = commands.add_parser("programs", help="make what tests start, where PATH and CACHE lack it")
    programs_.add_argument("names", nargs="*", help=f"{', '.join(tools.known())}, {tools.CHROMIUM}; default: all")
    uninstall_ = commands.add_parser("uninstall", help="take the platform out, keep the cluster")
    uninstall_.add_argument("--delete-data", action="store_true", help="take volumes and Secrets too")
    given = parser.parse_args(words)
    try:
        settings = Settings.from_environ()
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 2
    try:
        match given.command:
            case "install":
                install(settings, dry_run=given.dry_run, own_values=given.values, with_demo=not given.no_demo)
            case "demo":
                print(run_demo(settings, again=given.again))
            case "env":
                print(_env_file(settings).read_text(), end="")
            case "programs":
                _programs(settings, given.names or [*tools.known(), tools.CHROMIUM])
            case "uninstall":
                uninstall(settings, delete_data=given.delete_data)
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 2
    except StageFailed as failed:
        print(
            f"{failed.stage} did not end well. Run `{settings.make('status')}` to see what is there.", file=sys.stderr
        )
        return failed.code
    except (Failed, demo.DemoFailed, CommandFailed, golang.GoBuildError, subprocess.TimeoutExpired) as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def _programs(settings: Settings, names: Sequence[str]) -> None:
    found = tools.provide(settings, [name for name in names if name != tools.CHROMIUM])
    if tools.CHROMIUM in names:
        found[tools.CHROMIUM] = tools.chromium(settings)
    for name, path in found.items():
        print(f"{name:<15} {path}")


def install(settings: Settings, *, dry_run: bool, own_values: Sequence[Path], with_demo: bool) -> None:
    """The whole way. Each stage finds what already stands and leaves it alone."""
    inputs.refuse_problems(settings, profile=playbooks.profile(settings), own_values=own_values)
    if dry_run:
        look(settings, own_values)
        return
    logs = settings.logs
    with stage("Cluster"):
        command("cluster", [sys.executable, "-m", "cluster", "up"], log=logs / "cluster.log")
    with stage("Kubeflow Pipelines"):
        command("kubeflow", [sys.executable, "-m", "cluster", "kubeflow"], log=logs / "kubeflow.log")
    with stage("Images"):
        _images(settings)
    with stage("Platform"):
        values = [settings.images, *(file.resolve() for file in own_values)]
        playbooks.run(settings, "install", playbooks.variables(settings, helm=tools.helm(settings), values=values))
        if settings.context:
            command("forward", [sys.executable, "-m", "cluster", "forward"], log=logs / "forward.log")
    if with_demo:
        with stage("Demo"):
            shown = run_demo(settings, again=False)
        print(shown)


def look(settings: Settings, own_values: Sequence[Path]) -> None:
    """Say what `install` would do. Writes nothing but what the playbooks' check mode needs, and that apart.

    Programs that a cluster is asked with go into the cache where this machine has none.
    """
    if settings.context:
        with tempfile.TemporaryDirectory() as folder:
            _look_beside(replace(settings, apart=Path(folder)), own_values)
        return
    with stage("Cluster"):
        command("cluster", [sys.executable, "-m", "cluster", "up", "--dry-run"], log=None)
    with stage("Kubeflow Pipelines"):
        command("kubeflow", [sys.executable, "-m", "cluster", "kubeflow", "--dry-run"], log=None)
    if not settings.kubeconfig.is_file():
        print("Then: build and load the images, put the platform in by the playbooks, run the demo.")
        return
    _look_at_platform(settings, own_values)


def _look_beside(settings: Settings, own_values: Sequence[Path]) -> None:
    """The look at a cluster of the user's: all that must be there already is asked for, as the start itself does."""

    def say(line: str) -> None:
        print(f"  {line}", flush=True)

    provider = provider_of(settings)
    with stage("Cluster"):
        for step in provider.steps():
            if not step.done():
                step.do(say)
    with stage("Kubeflow Pipelines"):
        kubeflow = Kubeflow(settings, provider)
        kubeflow.steps()
        say(kubeflow.left_alone)
    _look_at_platform(settings, own_values)


def _look_at_platform(settings: Settings, own_values: Sequence[Path]) -> None:
    with stage("Images"):
        command("images", _bring_images(settings, "--dry-run"), log=None)
    with stage("Platform"), tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / settings.images.name
        command("values", _write_values(settings, images), log=None)
        values = [images, *(file.resolve() for file in own_values)]
        given = playbooks.variables(settings, helm=tools.helm(settings), values=values)
        given["tributary_client_dir"] = str(replace(settings, apart=None).client)
        playbooks.run(settings, "install", given, "--check", "--diff")


def _images(settings: Settings) -> None:
    """Build the images and bring them where the cluster finds them."""
    command("images", _bring_images(settings), log=settings.logs / "images.log")
    settings.state.mkdir(parents=True, exist_ok=True)
    command("values", _write_values(settings, settings.images), log=settings.logs / "values.log")


def _bring_images(settings: Settings, *words: str) -> list[str]:
    where = ["push", "--registry", settings.registry] if settings.registry else ["load", *_node_of(settings)]
    return [sys.executable, "-m", "image_builder", *where, *words]


def _write_values(settings: Settings, target: Path) -> list[str]:
    registry = ["--registry", settings.registry] if settings.registry else []
    return [sys.executable, "-m", "image_builder", "values", *registry, "--output", str(target)]


def _node_of(settings: Settings) -> list[str]:
    """The loader's words for the node of this cluster, which is kind's or our own minikube."""
    if not settings.context:
        kind = shutil.which("kind") or str(golang.path_of(programs.KIND, cache=settings.cache))
        return ["--cluster", settings.cluster, "--kind", kind]
    return ["--cluster", settings.context.removeprefix("kind-")]


def run_demo(settings: Settings, *, again: bool) -> str:
    """Find the successful run of this very code, or make one; gives the lines to show."""
    _env_file(settings)
    laptop = Laptop(settings.client)
    tag = demo.code_tag(settings)
    if not again and (found := demo.find(laptop, tag)):
        return demo.show(settings, found, again=True)
    return demo.show(settings, demo.run(settings, laptop, tag), again=False)


def uninstall(settings: Settings, *, delete_data: bool) -> None:
    """Take out what install put in, beside the cluster and Kubeflow Pipelines."""
    if settings.context:
        command("cluster", [sys.executable, "-m", "cluster", "up"], log=settings.logs / "cluster.log")
    elif not settings.kubeconfig.is_file():
        print(f"There is no cluster {settings.cluster!r}; nothing to take out.")
        return
    with stage("Platform"):
        given = playbooks.variables(settings, helm=tools.helm(settings), values=[])
        given["tributary_uninstall_keep_data"] = not delete_data
        playbooks.run(settings, "uninstall", given)
    # Nothing is behind them any more, and they would be started again every second.
    forward.stop(settings, print)


def _env_file(settings: Settings) -> Path:
    file = settings.client / "env.sh"
    if not file.is_file():
        raise Refused(f"{file}: not there yet. Run `{settings.make('install')}` first.")
    return file


if __name__ == "__main__":
    sys.exit(main())
