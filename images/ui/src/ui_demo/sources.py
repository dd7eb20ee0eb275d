"""The code that made-up runs are said to be made from. It changes a little every few runs."""

from __future__ import annotations

import gzip
import io
import tarfile

from ui_demo.shapes import Shape, Step

_RUNS_OF_A_VERSION = 5


def package(shape: Shape, run_number: int) -> bytes:
    """A code package as Metaflow stores it: the flow, what it needs, and a file of Metaflow's own."""
    version = run_number // _RUNS_OF_A_VERSION
    files = {
        f"{shape.name.lower()}.py": _flow(shape, version),
        "requirements.txt": f"pandas==2.{version % 3}.1\nscikit-learn==1.7.2\n",
        "metaflow/version.py": 'metaflow_version = "2.19.22"\n',
    }
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(made.getvalue(), mtime=0)


def _flow(shape: Shape, version: int) -> str:
    parameters = "".join(
        f"    {name} = Parameter({name!r}, default={values[version % len(values)]!r})\n"
        for name, values in shape.parameters
    )
    steps = "".join(_step(step) for step in shape.steps)
    return f'''"""{shape.doc}"""

from metaflow import FlowSpec, Parameter, card, project, retry, step

VERSION = {version}


@project(name={shape.project!r})
class {shape.name}(FlowSpec):
{parameters}
{steps}
if __name__ == "__main__":
    {shape.name}()
'''


def _step(step: Step) -> str:
    onward = ", ".join(f"self.{name}" for name in step.next)
    retry = "    @retry(times=2)\n" if step.many else ""
    does = f"        # {step.doc}\n" if step.doc else ""
    ending = f"        self.next({onward})\n" if onward else "        print('done')\n"
    return f"{retry}    @step\n    def {step.name}(self):\n{does}{ending}\n"
