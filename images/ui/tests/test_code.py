"""The code package of a run: what is shown of it, and what it cannot do."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ui_demo.tables import Rows

from ui_backend.datastore import packages
from ui_backend.datastore.files import LocalFiles
from ui_backend.datastore.pickles import Unreadable
from ui_backend.datastore.roots import DatastoreSettings

from .conftest import NOW, Ui


def _tar(**contents: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as package:
        for name, content in contents.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        package.addfile(link)
        hard = tarfile.TarInfo("flow2.py")
        hard.type, hard.linkname = tarfile.LNKTYPE, "flow.py"
        package.addfile(hard)
        package.addfile(tarfile.TarInfo("../../outside"), io.BytesIO())
    return made.getvalue()


def _unpacked(folder: Path, data: bytes) -> dict[str, bytes]:
    (folder / "package").write_bytes(data)
    return packages.unpacked_package(LocalFiles(folder), "package")


@pytest.mark.parametrize("times", [1, 2])
def test_files_are_shown_and_links_are_not(tmp_path: Path, times: int) -> None:
    data = _tar(**{"./flow.py": b"a = 1\n", "metaflow__plugin.py": b"x", "data.bin": b"\0\1"})
    for _ in range(times):
        data = gzip.compress(data)
    package = _unpacked(tmp_path, data)
    assert [(one.path, one.size, one.of_metaflow) for one in packages.listed(package)] == [
        ("../../outside", 0, False),
        ("data.bin", 2, False),
        ("flow.py", 6, False),
        ("metaflow/plugin.py", 1, True),
    ]
    assert packages.shown(package["flow.py"]) == "a = 1\n"
    with pytest.raises(Unreadable, match="no text"):
        packages.shown(package["data.bin"])
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (gzip.compress(b"\0" * (packages.MOST + 1)), "when it is unpacked"),
        (gzip.compress(gzip.compress(b"\0" * (packages.MOST + 1))), "when it is unpacked"),
        (b"\x1f\x8bno gzip", "cannot be unpacked"),
        (b"no tar", "cannot be unpacked"),
        (gzip.compress(_tar(a=b"x" * 2000)[:1500]), "cannot be unpacked"),
    ],
    ids=["large", "large twice", "no gzip", "no tar", "cut off"],
)
def test_what_is_no_package_is_said_in_words(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        _unpacked(tmp_path, data)


def test_a_package_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "package").open("wb") as file:
        file.truncate(5 * 2**30)
    with pytest.raises(Unreadable, match="was not read"):
        packages.unpacked_package(LocalFiles(tmp_path), "package")


def test_what_differs() -> None:
    one = {"flow.py": b"a = 1\nb = 2\n", "gone.py": b"x\n", "same.py": b"s", "big": b"x" * (packages.MOST_SHOWN + 1)}
    other = {"flow.py": b"a = 1\nb = 3\n", "new.py": b"y\n", "same.py": b"s", "big": b"\0", "metaflow/x.py": b"m"}
    found = {one.path: (one.kind, one.lines) for one in packages.differences(one, other)}
    assert found == {
        "big": ("changed", None),
        "flow.py": ("changed", ("@@ -1,2 +1,2 @@", " a = 1", "-b = 2", "+b = 3")),
        "gone.py": ("removed", ("@@ -1 +0,0 @@", "-x")),
        "new.py": ("added", ("@@ -0,0 +1 @@", "+y")),
    }


@pytest.mark.server
def test_the_code_of_runs_is_shown_and_compared(new_ui: Callable[..., Ui], tmp_path: Path) -> None:
    root, rows = tmp_path / ".metaflow", Rows()
    rows.add("flows_v3", {"flow_id": "F", "ts_epoch": NOW})
    for number, text in ((1, b"a = 1\n"), (2, b"a = 2\n"), (3, b""), (4, b"")):
        sha = f"{number}" * 40
        place = root / "F" / "data" / sha[:2] / sha
        if number < 3:
            place.parent.mkdir(parents=True)
            place.write_bytes(gzip.compress(_tar(**{"flow.py": text})))
        location = "/etc/passwd" if number == 4 else str(place)
        run = {"flow_id": "F", "run_number": number, "step_name": "start", "task_id": number, "ts_epoch": NOW}
        rows.add("runs_v3", run)
        rows.add("steps_v3", run)
        rows.add("tasks_v3", run)
        value = json.dumps({"ds_type": "local", "sha": sha, "location": location})
        rows.add("metadata_v3", run | {"field_name": "code-package", "value": value, "type": "code-package"})
    ui = new_ui(DatastoreSettings(local_root=str(tmp_path)))
    ui.write(rows)
    path = "/flows/F/runs/1/code"
    assert [one["path"] for one in ui.get(path)] == ["../../outside", "flow.py"]
    assert ui.get(f"{path}/file", {"path": "flow.py"}) == {"path": "flow.py", "text": "a = 1\n"}
    assert "no file" in ui.get(f"{path}/file", {"path": "/etc/passwd"}, 404)["message"]
    (change,) = ui.get(f"{path}/diff", {"with": "F/2"})
    assert (change["path"], change["kind"], change["lines"][1:]) == ("flow.py", "changed", ["-a = 1", "+a = 2"])
    assert "no run is named" in ui.get(f"{path}/diff", {"with": "F"}, 400)["message"]
    assert ui.get(f"{path}/diff", {"with": "F/9"}, 404)
    for number in (3, 4):
        assert ui.get(f"/flows/F/runs/{number}/code", status=404)
