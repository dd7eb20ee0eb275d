"""The command line: results to stdout, all else to stderr; 2 means the user's mistake, 1 a build that failed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from image_builder import bases, load, pages, table
from image_builder.build import Built, build_images, find
from image_builder.engine import DOCKER, PODMAN, Engine, choose
from image_builder.errors import BuildFailed, Refused
from image_builder.golang import GoBuildError
from image_builder.plan import Planned, plan

OUR_TABLE = Path(__file__).parents[2] / "images.yml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    options = _parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], None] = options.command
        command(options)
    except Refused as refused:
        print("\n".join(refused.problems), file=sys.stderr)
        return 2
    except (BuildFailed, GoBuildError) as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="image_builder", description="Build the images of a table and hand them on.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("build", _build, "build what changed"),
        ("load", _load, "build, and load into a local cluster what it lacks"),
        ("save", _save, "build, and save all to one archive"),
        ("push", _push, "build, and push to a registry"),
        ("values", _values, "print Helm values that name the images"),
        ("list", _list, "list name, tag, size, and whether there is something to build"),
    ):
        sub = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        sub.set_defaults(command=command)
        _add_options(sub)
        if name in _OPTIONS_OF:
            _OPTIONS_OF[name](sub)
        if name in ("build", "load", "save", "push"):
            sub.add_argument("--dry-run", action="store_true", help="only say what would be done")
    text = "build the UI's pages where they changed, and print their folder"
    sub = commands.add_parser("pages", help=text, description=text.capitalize() + ".")
    sub.add_argument("--packages", action="store_true", help="only install the packages that build and check them")
    sub.set_defaults(command=_pages)
    _add_cache(sub)
    return parser


def _add_cache(parser: argparse.ArgumentParser) -> None:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = os.environ.get("CACHE") or f"{home}/tributary"
    parser.add_argument("--cache", type=Path, default=Path(cache), help="what is built is kept here (CACHE)")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="names in the table; all by default")
    parser.add_argument("--table", type=Path, default=OUR_TABLE, help="the table of images (images/images.yml)")
    _add_cache(parser)
    parser.add_argument("--engine", choices=["auto", DOCKER, PODMAN], default="auto", help="what holds the images")
    parser.add_argument(
        "--bases", choices=["auto", bases.REGISTRY, bases.PACKAGES], default="auto",
        help="where base images come from; auto: a registry with Docker, Debian packages with podman",
    )  # fmt: skip


def _add_load_options(parser: argparse.ArgumentParser) -> None:
    providers = ["auto", load.KIND_PODMAN, load.KIND_DOCKER, load.MINIKUBE]
    parser.add_argument("--provider", choices=providers, default=os.environ.get("PROVIDER") or "auto")
    cluster = os.environ.get("CLUSTER") or "tributary"
    parser.add_argument("--cluster", default=cluster, help="the cluster's name (CLUSTER)")
    parser.add_argument("--kind", default="kind", help="the kind program, for kind on Docker")


def _add_save_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the archive to write")


def _add_registry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", default=os.environ.get("REGISTRY", ""), help="host and folder (REGISTRY)")


def _add_values_options(parser: argparse.ArgumentParser) -> None:
    _add_registry(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="write here, not to the screen")


_OPTIONS_OF: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "load": _add_load_options,
    "save": _add_save_options,
    "push": _add_registry,
    "values": _add_values_options,
}


def _build(options: argparse.Namespace) -> None:
    if options.dry_run:
        _say_plan(options)
        return
    engine = _engine(options)
    built = _built(options, engine)
    _say(f"images: {len(built)} there, {sum(image.size for image in built) / 2**20:.0f} MiB with their shared layers")


def _load(options: argparse.Namespace) -> None:
    engine = _engine(options)
    to = load.target(options.provider, options.cluster, engine, kind=options.kind)
    if options.dry_run:
        _say_plan(options)
        _say(f"{options.cluster}: would load what its nodes lack")
        return
    to.lacks(())  # A cluster that is not there is refused before anything is built.
    missing = load.load_images(_built(options, engine), to, _say)
    _say(f"{options.cluster}: {len(missing)} images loaded")


def _save(options: argparse.Namespace) -> None:
    output: Path = options.output.resolve()
    if not output.parent.is_dir():
        raise Refused([f"{options.output}: there is no such folder. Make it first."])
    if options.dry_run:
        _say_plan(options)
        _say(f"{output}: would be written")
        return
    engine = _engine(options)
    built = _built(options, engine)
    part = output.with_name(output.name + ".part")
    part.unlink(missing_ok=True)
    engine.save([image.reference for image in built], part)
    part.rename(output)
    _say(f"{output}: {len(built)} images, {output.stat().st_size / 2**20:.0f} MiB")


def _push(options: argparse.Namespace) -> None:
    registry = _registry(options, needed=True)
    if options.dry_run:
        for planned in _say_plan(options):
            _say(f"{_pushed_name(planned, registry)}: would be pushed")
        return
    engine = _engine(options)
    planned_by_name = {planned.image.name: planned for planned in _plan(options)}
    for image in _built(options, engine):
        name = _pushed_name(planned_by_name[image.name], registry)
        engine.push(image.reference, name)
        _say(f"{name}: pushed")


def _values(options: argparse.Namespace) -> None:
    registry = _registry(options, needed=False)
    values = {}
    for planned in _plan(options):
        repository, _, tag = _pushed_name(planned, registry).rpartition(":")
        values[_camel_case(planned.image.name)] = {"image": {"repository": repository, "tag": tag}}
    text = yaml.safe_dump(values, sort_keys=True)
    if options.output is None:
        print(text, end="")
        return
    output: Path = options.output
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(output.name + ".part")
    part.write_text(text)
    part.rename(output)


def _pages(options: argparse.Namespace) -> None:
    cache = options.cache.resolve()
    if options.packages:
        pages.install(cache)
    else:
        print(pages.build(cache, _say))


def _list(options: argparse.Namespace) -> None:
    engine = _engine(options)
    rows = [("NAME", "TAG", "SIZE", "STATE")]
    for planned in _plan(options):
        built = find(planned, engine)
        size = f"{built.size / 2**20:.0f} MiB" if built else "-"
        rows.append((planned.image.name, planned.tag, size, "cached" if built else "to build"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip())


def _engine(options: argparse.Namespace) -> Engine:
    return choose(options.engine, options.cache.resolve())


def _plan(options: argparse.Namespace) -> list[Planned]:
    whole = table.read(options.table)
    world = options.bases if options.bases != "auto" else bases.world("auto", _engine(options))
    return plan(whole, options.images or None, world=world)


def _built(options: argparse.Namespace, engine: Engine) -> list[Built]:
    cache = options.cache.resolve()
    names = options.images or None
    built = build_images(options.table, names, cache=cache, say=_say, engine=engine, world=options.bases)
    return list(built.values())


def _say_plan(options: argparse.Namespace) -> list[Planned]:
    engine = _engine(options)
    planned = _plan(options)
    for image in planned:
        state = "is there" if find(image, engine) else f"would be built on {image.base}"
        _say(f"{image.reference}: {state}")
    return planned


def _registry(options: argparse.Namespace, *, needed: bool) -> str:
    registry = str(options.registry).strip("/")
    if needed and not registry:
        raise Refused(["push: no registry is named. Say --registry HOST/FOLDER or REGISTRY=HOST/FOLDER."])
    if "://" in registry or any(character.isspace() for character in registry):
        raise Refused([f"--registry: {options.registry!r} is not HOST/FOLDER. Leave out the scheme and blanks."])
    return registry


def _pushed_name(planned: Planned, registry: str) -> str:
    """Upstream's names stay upstream's; ours go below the registry."""
    if not registry or planned.image.repository:
        return planned.reference
    return f"{registry}/{planned.repository.split('/', 1)[1]}:{planned.tag}"


def _camel_case(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", file=sys.stderr, flush=True)
