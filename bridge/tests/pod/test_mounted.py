"""Mounted Secrets as variables, by a folder as the kubelet makes it: files are links into a folder of the day."""

from pathlib import Path

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import mounted


def mount(root: Path, number: int, **keys: bytes) -> None:
    day = root / str(number) / "..2026_11_25"
    day.mkdir(parents=True)
    (root / str(number) / "..data").symlink_to(day.name)
    for key, value in keys.items():
        (day / key).write_bytes(value)
        (root / str(number) / key).symlink_to(Path("..data", key))


def test_every_key_is_a_variable_and_a_later_secret_wins(tmp_path: Path) -> None:
    mount(tmp_path, 10, SHARED=b"last")
    mount(tmp_path, 2, SHARED=b"first", USER="ünïcode\n".encode(), RAW=b"\xff", KEYSTORE=b"\xfe\x00")
    assert mounted.variables(tmp_path, ["HOME"]) == {
        b"SHARED": b"last",
        b"USER": "ünïcode\n".encode(),
        b"RAW": b"\xff",
    }


def test_what_the_pod_is_told_itself_is_left_alone(tmp_path: Path) -> None:
    mount(tmp_path, 0, TRIBUTARY_RUN=b"x", AWS_ACCESS_KEY_ID=b"other", HOME=b"/x", KFP_NEW=b"x")
    found = mounted.variables(tmp_path, ["TRIBUTARY_RUN", "AWS_ACCESS_KEY_ID", "HOME"])
    assert found == {b"HOME": b"/x", b"KFP_NEW": b"x"}


def test_a_pod_without_secrets_has_none(tmp_path: Path) -> None:
    assert mounted.variables(tmp_path / "secrets", []) == {}
