"""Builds Go programs out of Go modules, and keeps each by the hash of its recipe.

A program whose upstream publishes no binary in a package registry is still published there as source: the Go
module. `build` downloads the module, copies it to a folder of its own and builds there with the module's own
go.mod and go.sum, so the versions of all dependencies are the ones upstream chose.

What a module's zip lacks is set right by the recipe: nested modules (`nested`, `replaces`) and files (`overlay`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STATIC_CGO = "-linkmode external -extldflags -static"
PROGRESS_EVERY = 30.0
ATTEMPTS = 3
COMPILED_LIMIT = 4 << 30


class GoBuildError(Exception):
    """A program could not be built. The text is one sentence that names the program and the log."""


@dataclass(frozen=True)
class GoProgram:
    """The recipe of one program.

    package is relative to the module's root. A replace directive of the module that points at a folder which the
    zip lacks is dropped, so that the required version holds; with nested it points at that version instead.
    overlay puts a file or folder (second) at a path in the module (first) before the build.
    """

    name: str
    module: str
    version: str
    package: str = "."
    ldflags: str = ""
    tags: str = ""
    cgo: bool = False
    replaces: tuple[tuple[str, str], ...] = ()
    nested: str = ""
    overlay: tuple[tuple[str, Path], ...] = ()
    go_env: tuple[tuple[str, str], ...] = ()

    def shared(self) -> tuple[object, ...]:
        """All that must be equal for two programs to be built by one command."""
        fields = dataclasses.asdict(self)
        return tuple(fields[key] for key in sorted(fields) if key not in ("name", "package"))


def build(programs: Sequence[GoProgram], *, cache: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """Give the path of each program's binary by its name; build those that are not in the cache.

    The binaries are static and lie at `<cache>/bin/<name>-<hash>/<name>`. Programs of one module with equal settings
    are built by one command. Raises GoBuildError.
    """
    go_version = _go_version()
    binaries = {program.name: binary_path(program, cache, go_version) for program in programs}
    for group in _groups(programs):
        if all(binaries[program.name].exists() for program in group):
            continue
        with _only_one(cache):
            # Whoever held the lock may have built them.
            if missing := [program for program in group if not binaries[program.name].exists()]:
                _build_group(missing, {program.name: binaries[program.name] for program in missing}, cache, say)
    return binaries


def path_of(program: GoProgram, *, cache: Path) -> Path:
    """Where a program lies, or will lie once it is built. Raises GoBuildError without a Go compiler."""
    return binary_path(program, cache, _go_version())


def binary_path(program: GoProgram, cache: Path, go_version: str) -> Path:
    """Where the program lies once it is built: the folder's name carries the hash of the recipe."""
    recipe = dataclasses.asdict(program)
    recipe["overlay"] = [(place, _content(source)) for place, source in program.overlay]
    recipe["go_version"] = go_version
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
    return cache / "bin" / f"{program.name}-{digest}" / program.name


def module_folder(module: str, version: str, *, cache: Path, go_env: Mapping[str, str] | None = None) -> Path:
    """Download a module and give the folder of its files. Raises GoBuildError."""
    environment = _environment(cache, cgo=False) | dict(go_env or {})
    log = _log_path(cache, module.rsplit("/", 1)[-1])
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run(
            ["go", "mod", "download", "-json", f"{module}@{version}"],
            env=environment, cwd=cache, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return Path(json.loads(done.stdout)["Dir"])
        log.write_text(done.stdout + done.stderr)
        time.sleep(attempt)
    raise GoBuildError(f"{module}@{version}: the module could not be downloaded. Look at {log}.")


def _go_version() -> str:
    if shutil.which("go") is None:
        raise GoBuildError("go: the Go compiler is not on PATH. Install Go 1.25 or newer.")
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    return subprocess.run(
        ["go", "env", "GOVERSION"], env=environment, cwd="/", capture_output=True, text=True, check=True
    ).stdout.strip()


def _content(source: Path) -> str:
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _groups(programs: Sequence[GoProgram]) -> list[list[GoProgram]]:
    groups: dict[tuple[object, ...], list[GoProgram]] = {}
    for program in programs:
        groups.setdefault(program.shared(), []).append(program)
    return list(groups.values())


@contextlib.contextmanager
def _only_one(cache: Path) -> Iterator[None]:
    """One build at a time: they would take each other's processors, and share the cache of compiled packages."""
    lock = cache / "go" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_group(
    group: Sequence[GoProgram], binaries: Mapping[str, Path], cache: Path, say: Callable[[str], None]
) -> None:
    first = group[0]
    names = ", ".join(program.name for program in group)
    say(f"{names}: building {first.module}@{first.version}")
    began = time.monotonic()
    source = module_folder(first.module, first.version, cache=cache, go_env=dict(first.go_env))
    work = cache / "go" / "work" / binaries[first.name].parent.name
    shutil.rmtree(work, ignore_errors=True)
    _copy_writable(source, work / "source")
    for place, overlay in first.overlay:
        _lay_over(overlay, work / "source" / place)
    environment = _environment(cache, cgo=first.cgo) | dict(first.go_env)
    _edit_replaces(first, work / "source", environment)
    _compile(group, work, environment, _log_path(cache, first.name), say)
    for program in group:
        _install(work / "out" / _output_name(program, alone=len(group) == 1), binaries[program.name])
    shutil.rmtree(work)
    _trim(cache / "go" / "build")
    say(f"{names}: built in {time.monotonic() - began:.0f} s")


def _copy_writable(source: Path, target: Path) -> None:
    """Copy without the modes: files of the module cache may be read-only."""
    shutil.copytree(source, target, copy_function=shutil.copyfile, symlinks=True)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir() and not path.is_symlink())]:
        folder.chmod(0o755)


def _lay_over(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _edit_replaces(program: GoProgram, folder: Path, environment: Mapping[str, str]) -> None:
    arguments: list[str] = []
    for old, new in re.findall(
        r"^\s*(?:replace\s+)?(\S+) => (\.\S+)\s*$", (folder / "go.mod").read_text(), re.MULTILINE
    ):
        if (folder / new / "go.mod").exists():
            continue
        arguments.append(f"-replace={old}={old}@{program.nested}" if program.nested else f"-dropreplace={old}")
    arguments += [f"-replace={old}={new}" for old, new in program.replaces]
    if arguments:
        subprocess.run(["go", "mod", "edit", *arguments], cwd=folder, env=environment, check=True)


def _compile(
    group: Sequence[GoProgram], work: Path, environment: Mapping[str, str], log: Path, say: Callable[[str], None]
) -> None:
    first = group[0]
    (work / "out").mkdir()
    output = str(work / "out") + "/" + (first.name if len(group) == 1 else "")
    static = f" {STATIC_CGO}" if first.cgo else ""
    argv = ["go", "build", "-v", "-trimpath", "-buildvcs=false", f"-ldflags=-s -w {first.ldflags}{static}"]
    argv += [f"-tags={first.tags}"] if first.tags else []
    argv += ["-o", output, *("./" + program.package.removeprefix("./") for program in group)]
    # The build downloads what it needs, and a network may fail; what compiled before is not compiled again.
    for _ in range(ATTEMPTS):
        if _go_build(argv, work / "source", environment, log, lambda line: say(f"{first.name}: {line}")) == 0:
            return
    raise GoBuildError(f"{first.name}: go build of {first.module}@{first.version} failed. Look at {log}.")


def _go_build(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, say: Callable[[str], None]
) -> int:
    with (
        log.open("w") as file,
        subprocess.Popen(
            argv, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        assert process.stdout is not None
        told = time.monotonic()
        for packages, line in enumerate(process.stdout, start=1):
            file.write(line)
            file.flush()
            if time.monotonic() - told > PROGRESS_EVERY:
                told = time.monotonic()
                say(f"{packages} packages so far, at {line.strip()}")
    return process.returncode


def _trim(compiled: Path) -> None:
    """Empty the cache of compiled packages once it is large: two programs share little, and it would grow for ever."""
    if sum(path.stat().st_size for path in compiled.rglob("*") if path.is_file()) > COMPILED_LIMIT:
        shutil.rmtree(compiled)


def _output_name(program: GoProgram, *, alone: bool) -> str:
    return program.name if alone else program.package.rsplit("/", 1)[-1]


def _install(built: Path, target: Path) -> None:
    """Move into place in one step: a half-written binary is never taken for a finished one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    shutil.move(built, part)
    part.chmod(0o755)
    part.rename(target)


def _environment(cache: Path, *, cgo: bool) -> dict[str, str]:
    """The environment of every go command: caches of ours, and nothing of the user's that changes the result."""
    (cache / "go" / "tmp").mkdir(parents=True, exist_ok=True)
    return dict(os.environ) | {
        "GOMODCACHE": str(cache / "go" / "mod"),
        "GOCACHE": str(cache / "go" / "build"),
        "GOTMPDIR": str(cache / "go" / "tmp"),
        "GOFLAGS": "-mod=mod -modcacherw",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "1" if cgo else "0",
    }


def _log_path(cache: Path, name: str) -> Path:
    log = cache / "logs" / f"go-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return log
