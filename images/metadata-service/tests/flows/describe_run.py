"""Prints what the client API tells about a run, as JSON. A program, because Metaflow reads its settings at import."""

import json
import sys

from metaflow import Run, namespace


def describe(pathspec):
    namespace(None)
    run = Run(pathspec)
    return {
        "id": run.id,
        "finished": run.finished,
        "successful": run.successful,
        "user_tags": sorted(run.user_tags),
        "system_tags": sorted(run.system_tags),
        "steps": [step.id for step in run],
        "tasks": [describe_task(step, task) for step in run for task in step],
        "end": run.end_task.pathspec if run.end_task else None,
    }


def describe_task(step, task):
    stack = task["_foreach_stack"].data
    return {
        "pathspec": task.pathspec,
        "step": step.id,
        "indexes": [frame.index for frame in stack],
        "finished": task.finished,
        "successful": task.successful,
        "exception": str(task.exception) if task.exception else None,
        "attempt": task.current_attempt,
        "artifacts": {artifact.id: repr(artifact.data) for artifact in task if artifact.id not in UNSTABLE},
        "metadata": sorted({(datum.name, datum.type) for datum in task.metadata}),
        "attempt_metadata": {name: task.metadata_dict.get(name) for name in ("attempt", "attempt_ok", "attempt-done")},
        "stdout": task.stdout,
        "parents": sorted(parent.pathspec for parent in task.parent_tasks),
        "children": sorted(child.pathspec for child in task.child_tasks),
        "tags": sorted(task.tags),
    }


# These hold identities or code objects, which two runs do not share.
UNSTABLE = {"_graph_info", "_exception", "_foreach_stack", "failure", "_control_mapper_tasks"}

if __name__ == "__main__":
    print(json.dumps(describe(sys.argv[1])))
