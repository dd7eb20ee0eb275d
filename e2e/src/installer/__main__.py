"""`python -m installer install|demo|env|helm|uninstall`: what the Makefile calls."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster import programs
from cluster.errors import Refused
from cluster.settings import Settings
from image_builder import golang
from installer import demo, playbooks
from installer.stages import StageFailed, command, stage
from laptop.shell import CommandFailed, Laptop

ROOT = Path(__file__).parents[3]
SECOND_LOOK = "Run `make status` to see what is there."


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
    commands.add_parser("helm", help="print the path of the helm program; build it when there is none")
    uninstall_ = commands.add_parser("uninstall", help="take the platform out, keep the cluster")
    uninstall_.add_argument("--delete-data", action="store_true", help="take volumes and Secrets too")
    given = parser.parse_args(words)
    try:
        settings = Settings.from_environ()
        match given.command:
            case "install":
                install(settings, dry_run=given.dry_run, own_values=given.values, with_demo=not given.no_demo)
            case "demo":
                print(run_demo(settings, again=given.again))
            case "env":
                print(_env_file(settings).read_text(), end="")
            case "helm":
                print(playbooks.helm_binary(settings))
            case "uninstall":
                uninstall(settings, delete_data=given.delete_data)
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 2
    except StageFailed as failed:
        print(f"{failed.stage} did not end well. {SECOND_LOOK}", file=sys.stderr)
        return failed.code
    except (demo.DemoFailed, CommandFailed, golang.GoBuildError, subprocess.TimeoutExpired) as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def install(settings: Settings, *, dry_run: bool, own_values: Sequence[Path], with_demo: bool) -> None:
    """The whole way. Each stage finds what already stands and leaves it alone."""
    if missing := [str(file) for file in own_values if not file.is_file()]:
        raise Refused(f"VALUES: no such file: {', '.join(missing)}. Give the path of a YAML file.")
    logs = settings.logs
    dry = ["--dry-run"] if dry_run else []
    with stage("Cluster"):
        command("cluster", [sys.executable, "-m", "cluster", "up", *dry], log=logs / "cluster.log")
    with stage("Kubeflow Pipelines"):
        command("kubeflow", [sys.executable, "-m", "cluster", "kubeflow", *dry], log=logs / "kubeflow.log")
    if dry_run and not settings.kubeconfig.is_file():
        print("Then: build and load the images, put the platform in by the playbooks, run the demo.")
        return
    with stage("Images"):
        _images(settings, dry)
    with stage("Platform"):
        values = [settings.images, *(file.resolve() for file in own_values)]
        given = playbooks.variables(settings, helm=playbooks.helm_binary(settings), values=values)
        playbooks.run(settings, "install", given, *(["--check", "--diff"] if dry_run else []))
        if settings.context and not dry_run:
            command("forward", [sys.executable, "-m", "cluster", "forward"], log=logs / "forward.log")
    if with_demo and not dry_run:
        with stage("Demo"):
            shown = run_demo(settings, again=False)
        print(shown)


def _images(settings: Settings, dry: Sequence[str]) -> None:
    """Build the images and bring them where the cluster finds them."""
    builder = [sys.executable, "-m", "image_builder"]
    registry = ["--registry", settings.registry] if settings.registry else []
    logs = settings.logs
    if registry:
        command("push", [*builder, "push", *registry, *dry], log=logs / "push.log")
    else:
        command("load", [*builder, "load", *_node_of(settings), *dry], log=logs / "load.log")
    settings.state.mkdir(parents=True, exist_ok=True)
    target = ["--output", str(settings.images)]
    command("values", [*builder, "values", *registry, *target], log=logs / "values.log")


def _node_of(settings: Settings) -> list[str]:
    """The loader's words for the node of this cluster. Raises Refused for a foreign cluster that needs a registry."""
    if not settings.context:
        kind = shutil.which("kind") or str(golang.path_of(programs.KIND, cache=settings.cache))
        return ["--cluster", settings.cluster, "--kind", kind]
    if not settings.context.startswith("kind-"):
        raise Refused(
            f"CONTEXT: {settings.context!r} is no kind cluster, so images cannot be loaded into it. "
            "Set REGISTRY to a registry that it pulls from."
        )
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
        given = playbooks.variables(settings, helm=playbooks.helm_binary(settings), values=[])
        given["tributary_uninstall_keep_data"] = not delete_data
        playbooks.run(settings, "uninstall", given)


def _env_file(settings: Settings) -> Path:
    file = settings.client / "env.sh"
    if not file.is_file():
        raise Refused(f"{file}: not there yet. Run `make install` first.")
    return file


if __name__ == "__main__":
    sys.exit(main())
