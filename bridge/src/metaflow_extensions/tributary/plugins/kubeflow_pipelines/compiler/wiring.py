"""Blocks to scopes: which tasks stand in which DAG, what each waits for, and which indexes it must be handed."""

from dataclasses import dataclass

from ..names import TaskNames, task_names
from .ir import Flow, Loops, Step
from .structure import Block, Choose, Each, Fork, Run


@dataclass(frozen=True)
class Scope:
    """One DAG: the root, the body of a foreach, the arms of a switch, one arm, or one round of a step that follows
    itself. `depth` is the number of foreaches around its tasks.
    """

    name: str
    depth: int
    tasks: tuple["Task", ...]


@dataclass(frozen=True)
class Again:
    """The scope that a task stands in, once more. `scope` is the task that has it as its work."""

    scope: str


@dataclass(frozen=True)
class Tell:
    """Tells the pipeline at which of the steps `among` a run has arrived since the task of `step`, as its choice."""

    step: Step
    among: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One task of a DAG. `splits_of` is the task whose splits it runs once for each, or None.

    `depth` is the number of foreaches around the work itself: that of the scope, and one more with `splits_of`.
    `choice_of` is the task whose choice it is handed, or None where a choice comes from the scope. `when` is the choice
    with which the task runs; None for every choice. `then`, `batched` and `in_batches` are those of structure.Run.
    """

    name: str
    work: Step | Scope | Again | Tell
    depth: int
    after: tuple[str, ...]
    splits_of: str | None = None
    choice_of: str | None = None
    when: str | None = None
    then: tuple[Step, ...] = ()
    batched: bool = False
    in_batches: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that its pod runs one after the other; none where the task's work is no step."""
        return (self.work, *self.then) if isinstance(self.work, Step) else ()

    @property
    def last(self) -> Step | None:
        """The one of them whose successors follow."""
        return self.steps[-1] if self.steps else None


def wire(flow: Flow, block: Block, loops: Loops = "pod") -> Scope:
    """The root scope of the flow. With `loops` "pods", every round of a step that follows itself is a task."""
    foreaches = [step.name for step in flow.steps.values() if step.kind == "foreach"]
    return _Wiring(task_names(flow.steps, foreaches), loops).scope(flow.start, block, depth=0)


class _Wiring:
    def __init__(self, names: TaskNames, loops: Loops) -> None:
        self.names = names
        self.loops = loops
        self.taken: set[str] = set()

    def scope(self, name: str, block: Block, depth: int) -> Scope:
        tasks: list[Task] = []
        self._lay(block, depth, (), tasks)
        return Scope(name, depth, tuple(tasks))

    def _lay(self, block: Block, depth: int, after: tuple[str, ...], tasks: list[Task]) -> tuple[str, ...]:
        """Append the block's tasks; `after` are those that it follows. Gives the tasks that a follower waits for."""
        for part in block:
            match part:
                case Run():
                    tasks.append(self._run(part, depth, after))
                    after = (tasks[-1].name,)
                case Fork(branches):
                    tails = [self._lay(branch, depth, after, tasks) for branch in branches]
                    after = tuple(dict.fromkeys(name for tail in tails for name in tail))
                case Each(foreach, body):
                    tasks.append(self._each(foreach, body, depth + 1, *after))
                    after = (tasks[-1].name,)
                case Choose(switch, _, told):
                    if told:
                        tasks.append(Task(self._name(switch, "told"), Tell(switch, told), depth, after))
                        after = (tasks[-1].name,)
                    elif self._in_pods(switch):
                        # What the last round chose does not come out of the rounds. The step's runner tells it again.
                        tasks.append(Task(self._name(switch, "left"), switch, depth, after))
                        after = (tasks[-1].name,)
                    tasks.append(self._choose(part, depth, *after))
                    after = (tasks[-1].name,)
        return after

    def _run(self, run: Run, depth: int, after: tuple[str, ...]) -> Task:
        step = run.step
        if not self._in_pods(step):
            return Task(self._name(step), step, depth, after, then=run.then, batched=run.batched)
        name = self._name(step, "rounds")
        one = Task(self._name(step), step, depth, ())
        again = Task(self._name(step, "again"), Again(name), depth, (one.name,), choice_of=one.name, when=step.name)
        return Task(name, Scope(name, depth, (one, again)), depth, after)

    def _each(self, foreach: Step, body: Block, depth: int, producer: str) -> Task:
        """The iterator: straight on the container when the body is one pod, which saves a pod for every item."""
        match body:
            case (Run(step, then, in_batches=several),) if not self._in_pods(step):
                name = self._name(step)
                return Task(name, step, depth, (producer,), splits_of=producer, then=then, in_batches=several)
            case _:
                name = self._name(foreach, "each")
                return Task(name, self.scope(name, body, depth), depth, (producer,), splits_of=producer)

    def _choose(self, choose: Choose, depth: int, producer: str) -> Task:
        """The arms in a DAG of their own: what follows a task that was skipped is skipped too, but the DAG succeeds."""
        name = self._name(choose.switch, "switch")
        arms = tuple(self._arm(chosen, block, depth) for chosen, block in choose.arms.items())
        return Task(name, Scope(name, depth, arms), depth, (producer,), choice_of=producer)

    def _arm(self, chosen: str, block: Block, depth: int) -> Task:
        match block:
            case (Run(step, then),) if not self._in_pods(step):
                return Task(self._name(step), step, depth, (), when=chosen, then=then)
            case (Run(step), *_):
                name = self._name(step, "arm")
                return Task(name, self.scope(name, block, depth), depth, (), when=chosen)
        raise AssertionError(f"the arm {chosen} is empty")

    def _in_pods(self, step: Step) -> bool:
        return self.loops == "pods" and step.recursive

    def _name(self, step: Step, role: str = "") -> str:
        """A name that no task has: a step that stands on several ways has several tasks."""
        copies = self.names.names_of_copies(self.names.name(step.name, role))
        name = next(name for name in copies if name not in self.taken)
        self.taken.add(name)
        return name
