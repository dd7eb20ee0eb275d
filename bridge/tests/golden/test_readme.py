"""The README's table of what is translated is made from support.py. `--regenerate` writes it."""

from pathlib import Path

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines import support

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- support: begin -->\n", "<!-- support: end -->\n"


def table() -> str:
    """The rows for decorators, and for attributes that are refused while their decorator is not."""
    rows = ["| what | how | note |", "|---|---|---|"]
    for names in (
        support.STEP_DECORATORS,
        support.OTHER_STEP_DECORATORS,
        support.FLOW_DECORATORS,
        support.OTHER_FLOW_DECORATORS,
    ):
        rows += [f"| @{name} | {entry.how} | {entry.note} |" for name, entry in sorted(names.items())]
    for decorator, attributes in sorted(support.ATTRIBUTES.items()):
        refused = {name: entry for name, entry in sorted(attributes.items()) if entry.how == "refused"}
        rows += [f"| @{decorator}({name}=…) | {entry.how} | {entry.note} |" for name, entry in refused.items()]
    others = {
        "switch": support.SWITCH,
        "recursive step": support.RECURSION,
        "@catch beside @parallel": support.CAUGHT_GANG,
        "Config": support.CONFIG,
        "IncludeFile": support.INCLUDE_FILE,
        "flow mutators": support.MUTATOR,
        "step decorators written by users": support.WRAPPER,
    } | {f"--environment {name}": entry for name, entry in support.ENVIRONMENTS.items()}
    rows += [f"| {name} | {entry.how} | {entry.note} |" for name, entry in others.items()]
    others = {f"--datastore {name}": entry for name, entry in support.DATASTORES.items()}
    others |= {f"create {name}": entry for name, entry in support.ARGO_OPTIONS.items()}
    others |= {f"{name} (a command)": entry for name, entry in support.ARGO_COMMANDS.items()}
    rows += [f"| {name} | {entry.how} | {entry.note} |" for name, entry in others.items()]
    since = support.SINCE.items()
    rows += [f"| {name} | from Metaflow {version} on | an older one lacks it |" for name, version in since]
    return "\n".join(rows) + "\n"


def test_the_readme_shows_what_is_translated(pytestconfig: pytest.Config) -> None:
    before, rest = README.read_text().split(BEGIN)
    shown, after = rest.split(END)
    if pytestconfig.getoption("--regenerate", default=False):
        README.write_text(f"{before}{BEGIN}{table()}{END}{after}")
        return
    assert shown == table()
