"""Go programs are built once a recipe, and a build that fails says where to look.

The compiler here only writes down its calls; the images and the cluster are built with the real one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from image_builder import golang
from image_builder.golang import GoBuildError, GoProgram

if TYPE_CHECKING:
    from images.tests.conftest import Recorder

TOOL = GoProgram("tool", "example.org/tools", "v1.2.3", "cmd/tool", ldflags="-X main.version=1")
SAW = replace(TOOL, name="saw", package="cmd/saw")
# Gives a module with two replace directives, and compiles each named package to a file of its name.
GO = """
case "$1 $2" in
"env GOVERSION") echo go1.99 ;;
"mod download") printf '{"Dir": "%s"}' "$MODULE" ;;
"build -v")
    while [ "$1" != -o ]; do shift; done
    output=$2; shift 2
    for package; do
        case "$output" in */) file=$output$(basename "$package") ;; *) file=$output ;; esac
        echo "$package" > "$file"
        echo "$package" >&2
    done ;;
esac
"""


@pytest.fixture
def go(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    module = tmp_path / "module"
    (module / "present").mkdir(parents=True)
    (module / "present" / "go.mod").write_text("module example.org/present\n")
    (module / "go.mod").write_text(
        "module example.org/tools\n\n"
        "replace (\n\texample.org/present => ./present\n\texample.org/absent => ./absent\n)\n"
    )
    monkeypatch.setenv("MODULE", str(module))
    recorder.add("go", GO)
    return recorder


def build(tmp_path: Path, *programs: GoProgram) -> dict[str, Path]:
    return golang.build(programs, cache=tmp_path / "cache", say=lambda _: None)


def compilations(go: Recorder) -> list[list[str]]:
    return [call for call in go.calls("go") if call[0] == "build"]


def test_a_program_is_built_once(tmp_path: Path, go: Recorder) -> None:
    first = build(tmp_path, TOOL)
    assert build(tmp_path, TOOL) == first
    assert len(compilations(go)) == 1
    assert first["tool"].read_text() == "./cmd/tool\n"
    assert first["tool"].stat().st_mode & 0o777 == 0o755


def test_programs_of_one_module_and_settings_share_a_command(tmp_path: Path, go: Recorder) -> None:
    built = build(tmp_path, TOOL, SAW, replace(TOOL, name="odd", tags="special"))
    assert sorted(call[-2:] == ["./cmd/tool", "./cmd/saw"] for call in compilations(go)) == [False, True]
    assert {name: path.read_text() for name, path in built.items()} == {
        "tool": "./cmd/tool\n",
        "saw": "./cmd/saw\n",
        "odd": "./cmd/tool\n",
    }


def test_a_static_program_without_the_paths_of_this_machine_is_asked_for(tmp_path: Path, go: Recorder) -> None:
    build(tmp_path, TOOL, replace(TOOL, name="with-c", cgo=True))
    plain, with_c = compilations(go)
    assert "-trimpath" in plain
    assert "-ldflags=-s -w -X main.version=1" in plain
    assert any(word.endswith("-linkmode external -extldflags -static") for word in with_c)


@pytest.mark.parametrize("change", [{"version": "v1.2.4"}, {"ldflags": ""}, {"tags": "x"}, {"nested": "v1"}])
def test_another_recipe_is_another_program(tmp_path: Path, go: Recorder, change: dict[str, str]) -> None:
    assert build(tmp_path, TOOL) != build(tmp_path, replace(TOOL, **change))  # type: ignore[arg-type]
    assert len(compilations(go)) == 2


def test_a_file_that_is_laid_over_is_part_of_the_recipe(tmp_path: Path, go: Recorder) -> None:
    over = tmp_path / "over.go"
    over.write_text("package one\n")
    program = replace(TOOL, overlay=(("cmd/over.go", over),))
    first = build(tmp_path, program)
    over.write_text("package two\n")
    assert build(tmp_path, program) != first


@pytest.mark.parametrize(
    ("nested", "edit"),
    [("", "-dropreplace=example.org/absent"), ("v9", "-replace=example.org/absent=example.org/absent@v9")],
)
def test_only_a_replacement_that_the_module_lacks_is_edited(
    tmp_path: Path, go: Recorder, nested: str, edit: str
) -> None:
    build(tmp_path, replace(TOOL, nested=nested))
    assert [call for call in go.calls("go") if call[:2] == ["mod", "edit"]] == [["mod", "edit", edit]]


def test_a_failed_build_names_program_and_log_and_leaves_nothing(tmp_path: Path, go: Recorder) -> None:
    go.add("go", GO.replace('"build -v")', '"build -v") echo "undefined: x"; exit 1 ;; never)'))
    with pytest.raises(GoBuildError, match=r"tool: go build of example\.org/tools@v1\.2\.3 failed") as failed:
        build(tmp_path, TOOL)
    assert "undefined: x" in Path(str(failed.value).split("Look at ")[1].rstrip(".")).read_text()
    assert not list((tmp_path / "cache/bin").rglob("tool"))


def test_a_module_that_cannot_be_had_is_tried_again_and_then_told(
    tmp_path: Path, go: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("image_builder.golang.time.sleep", lambda _: None)
    go.add("go", GO.replace('"mod download")', '"mod download") exit 1 ;; never)'))
    with pytest.raises(GoBuildError, match="could not be downloaded"):
        build(tmp_path, TOOL)
    assert len([call for call in go.calls("go") if call[:2] == ["mod", "download"]]) == golang.ATTEMPTS


def test_without_a_compiler_it_says_so(tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(recorder.folder))
    with pytest.raises(GoBuildError, match="the Go compiler is not on PATH"):
        build(tmp_path, TOOL)
