"""An image carries every package that its program may import, through its own modules and wherever they do so."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_builder import lock, table

FOLDER = Path(__file__).parents[1]
TABLE = table.read(FOLDER / "images.yml")
NEVER_CALLED = {
    # The UI only says what a retention would remove; what frees objects is behind the same door.
    "ui": {"boto3", "botocore"},
}
PROVIDED = importlib.metadata.packages_distributions()


def imported(file: Path) -> Iterator[str]:
    """The modules that a file imports wherever it does so, but for what only a checker of types reads."""
    waiting: list[ast.AST] = [ast.parse(file.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{file}: a relative import, which this test does not follow")
        waiting.extend(ast.iter_child_nodes(node))


def reached(image: table.Image) -> set[str]:
    """The top packages, but for the standard library's, of all that the image's program may import."""
    dockerfile = (image.folder / "Dockerfile").read_text()
    (program,) = re.findall(r'^ENTRYPOINT \["python3", "-m", "(\w+)"\]$', dockerfile, re.MULTILINE)
    sources = {Path(source).name: TABLE.checkout / source for source in image.sources}
    waiting = [f"{program}.__main__"]
    seen: set[str] = set()
    foreign: set[str] = set()
    while waiting:
        module = waiting.pop()
        top, *rest = module.split(".")
        if module in seen or top in sys.stdlib_module_names:
            continue
        seen.add(module)
        if top not in sources:
            foreign.add(top)
            continue
        place = sources[top].joinpath(*rest)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                waiting.extend(imported(file))
    return foreign


@pytest.mark.parametrize("name", ["metadata-service", "ui", "setup"])
def test_all_that_the_program_may_import_is_carried(name: str) -> None:
    image = TABLE.images[name]
    pins = lock.read(TABLE.checkout / image.lock)
    carried = {pin.name for pin in lock.closure(pins, image.python, where=name)}
    wanted = reached(image)
    assert wanted, "nothing was followed"
    missing = {
        top
        for top in wanted - NEVER_CALLED.get(name, set())
        if not carried & {lock.normal(one) for one in PROVIDED.get(top, [])}
    }
    assert missing == set()
