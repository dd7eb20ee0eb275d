"""Chains and batches: steps one after the other in one pod, and a foreach of one pod a split made ready for more.

A pod costs some ten seconds before the first line of a step runs, and two of them are started for each step. So steps
that follow each other directly share one pod where nobody can tell the difference: their pods would be alike, and so is
what happens when one of them fails. Each stays a task of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from . import pods
from .ir import Step, Target
from .structure import Block, Choose, Each, Fork, Run

# Variables that the runner's own process reads when it imports metaflow, and the step's process has from it. Where two
# steps differ in one of these, each needs a pod of its own.
_READ_EARLY = ("METAFLOW_", "AWS_")


def fuse(block: Block, target: Target) -> Block:
    """The same block with `then`, `batched` and `in_batches` of its runs set, as far as the target wants it."""
    fused: list[Run | Fork | Each | Choose] = []
    for part in block:
        match part:
            case Run(step):
                before = fused[-1] if fused else None
                if target.fuse and isinstance(before, Run) and alike(before.step, step, target):
                    fused[-1] = replace(before, then=(*before.then, step))
                else:
                    fused.append(part)
            case Fork(branches):
                fused.append(Fork(tuple(fuse(branch, target) for branch in branches)))
            case Each(foreach, block):
                inner = fuse(block, target)
                before = fused[-1]
                assert isinstance(before, Run), f"{foreach.place}: a foreach step stands before its body"
                if target.splits_per_pod != 1 and (body := _one_pod(inner)):
                    fused[-1] = replace(before, batched=True)
                    inner = (replace(body, in_batches=True),)
                fused.append(Each(foreach, inner))
            case Choose(switch, arms, told):
                fused.append(Choose(switch, {chosen: fuse(arm, target) for chosen, arm in arms.items()}, told))
    return tuple(fused)


def alike(one: Step, other: Step, target: Target) -> bool:
    """Whether one pod can run both steps and nobody can tell.

    Their containers, pods and interpreters are the same, and they are tried again alike: a pod has as many retries as
    each of its tasks. What one leaves in memory that is mounted as a folder would be missing to the other.
    """
    if _keeps_to_itself(one) or _keeps_to_itself(other):
        return False
    return _pod(one, target) == _pod(other, target) and _early(one.environment) == _early(other.environment)


def _pod(step: Step, target: Target) -> str:
    tried = (step.retries, step.minutes_between_retries, bool(step.fallbacks))
    runs = (step.interpreter, step.bootstrap)
    platform = pods.platform(step, target, pods.deadline([step]))
    return json.dumps([pods.container(step), platform, tried, runs], sort_keys=True)


def _early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_EARLY)}


def _keeps_to_itself(step: Step) -> bool:
    """Steps with folders in memory, gangs of pods, and steps that follow themselves, whose rounds share a pod."""
    return step.recursive or step.gang or pods.has_memory_folders(step)


def _one_pod(body: Block) -> Run | None:
    """A foreach's body that is one pod, which gives nothing back to the pipeline, and in which no split sees what
    another has left.
    """
    match body:
        case (Run() as run,):
            steps = (run.step, *run.then)
            apart = any(step.gang or step.kind in ("foreach", "split-switch") for step in steps)
            return None if apart or any(map(pods.has_memory_folders, steps)) else run
    return None
