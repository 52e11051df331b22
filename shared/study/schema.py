"""The one schema of `replication.yaml`, and its resolution into runs.

`load_replications` finds every `replications/*/replication.yaml`, refuses what is wrong in one sentence, and
returns models whose `runs(scale)` are complete: nothing downstream looks at defaults or overrides again.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PositiveInt,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.study import paths
from shared.study.borrowing import with_borrowed
from shared.study.errors import StudyError, first_error, unknown
from shared.study.run import Protocol, ResolvedRun
from shared.study.yaml_reader import read_yaml

SCALES = ("smoke", "hour", "night", "paper")
DEFAULT_SCALE = "hour"
WHOLE_BUDGET = "budget"

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Names = list[Text]


class _Strict(BaseModel):
    """A part of the file; an unknown key is refused with the nearest valid one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise PydanticCustomError("unknown_key", "{text}", {"text": unknown("key", key, cls.model_fields)})
        return data


class Hyperparameter(_Strict):
    """A value and where it comes from: a section of the paper, the authors' code, or a reason of ours.

    The value `budget` stands for the environment steps that the run trains for: schedules end with it.
    """

    value: JsonValue
    source: Text


Hyperparameters = dict[str, Hyperparameter]


class Method(_Strict):
    """A learner with its hyper-parameters.

    `iterations` fixes the length of training in meta-iterations, whatever the scale; otherwise a method
    trains for the `env_steps` of the scale. `needs` names other runs whose final state it is given, as
    `experiment/method`; `./method` is one of the same experiment.
    """

    label: Text
    learner: Text
    published: Names | Text = Field(default_factory=list)
    borrow: Text | None = None
    trains: bool = True
    iterations: PositiveInt | None = None
    hyperparameters: Hyperparameters = Field(default_factory=dict)
    needs: dict[str, Text] = Field(default_factory=dict)

    @property
    def published_names(self) -> list[str]:
        """Names under which the paper's numbers for this method are filed, the paper's own first, then those of others'
        runs of it; empty where there are none."""
        return [self.published] if isinstance(self.published, str) else self.published


class Normalise(_Strict):
    """Methods of the experiment whose mean scores are 0 and 1 on a published normalised axis."""

    floor: Text
    ceiling: Text


class PublishedCurve(_Strict):
    """How a published curve reads: x in units of `steps_per_x` environment steps, y our column `metric`."""

    metric: Text
    steps_per_x: float = Field(gt=0)
    x_name: Text = "iteration"


class PublishedTarget(_Strict):
    """Which rows of the paper's published numbers belong to an experiment, and which of our scores they are.

    A task's score is `column` of the results, summed over its episodes or of one `episode`. `floor` is the
    method that verdicts measure from, by default the floor of `normalise`. `adaptation` is the `x_name` of rows whose x
    counts the episodes of a test, from 0: each is compared with that episode.
    """

    environment: Text | None = None
    setting: Text | None = None
    metric: Text | None = None
    column: Text = "return"
    episode: int | Literal["total", "last"] = "total"
    floor: Text | None = None
    normalise: Normalise | None = None
    curve: PublishedCurve | None = None
    adaptation: Text | None = None


class Family(BaseModel):
    """A task family by name; every other key is a keyword argument of its constructor."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Text

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the family's constructor."""
        return dict(self.model_extra)


class MethodBudget(_Strict):
    """What one method has differently at one scale."""

    env_steps: PositiveInt | None = None
    seeds: PositiveInt | None = None
    tasks: PositiveInt | None = None
    curve_tasks: PositiveInt | None = None
    evaluate_every: PositiveInt | None = None


class Budget(_Strict):
    """An experiment at one scale.

    `tasks` test tasks in the final evaluation, `curve_tasks` of them (all by default) in the evaluations that
    take place every `evaluate_every` environment steps (never by default) while training for `env_steps`.
    `family` holds what its family is constructed with instead, at this scale alone.
    """

    tasks: PositiveInt
    family: dict[str, JsonValue] = Field(default_factory=dict)
    seeds: PositiveInt = 1
    env_steps: PositiveInt | None = None
    curve_tasks: PositiveInt | None = None
    evaluate_every: PositiveInt | None = None
    hyperparameters: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    methods: dict[str, MethodBudget] = Field(default_factory=dict)
    omit: Names = Field(default_factory=list)


class Experiment(_Strict):
    """One task family, the methods compared on it, their budgets, and the protocol of the test.

    `extra`: a package that it needs, and the optional dependencies by which this project brings it. Where it is not
    installed the experiment is no part of the graph.
    """

    label: Text
    family: Family
    protocol: Protocol
    methods: Annotated[Names, Field(min_length=1)]
    published: PublishedTarget | None = None
    hyperparameters: dict[str, Hyperparameters] = Field(default_factory=dict)
    extra: Text | None = None
    scales: dict[str, Budget]

    @property
    def is_possible(self) -> bool:
        """Whether the package that it needs is installed."""
        return self.extra is None or find_spec(self.extra) is not None

    @property
    def yardsticks(self) -> list[str]:
        """Methods that normalised scores and verdicts are measured from: whoever looks at another needs them too."""
        target = self.published
        ends = [target.normalise.floor, target.normalise.ceiling] if target and target.normalise else []
        return [*ends, target.floor] if target and target.floor else ends


class _Spec(_Strict):
    """What figures, tables and claims share: the runs that they look at. No `methods` means all of them."""

    experiments: Annotated[Names, Field(min_length=1)]
    methods: Names = Field(default_factory=list)
    options: dict[str, JsonValue] = Field(default_factory=dict)


class Drawing(_Spec):
    """A figure or a table, drawn by the function `draw(evidence)`."""

    title: Text
    draw: Text
    caption: Text


class Claim(_Spec):
    """A sentence of the paper and the function `test(evidence)` that decides it.

    `needs_full_budget`: shorter training decides nothing, not even for the claim (a learner that falls short, say).
    `env_steps`: what the claim speaks of is reached after so many, so that longer training is not asked for.
    """

    statement: Text
    needs_full_budget: bool = False
    env_steps: PositiveInt | None = None
    source: Text
    test: Text


class Replication(_Strict):
    """A paper: its methods, experiments, figures, tables and claims."""

    paper: Text
    title: Text
    authors: Text
    source: Text
    definitions: dict[str, Any] = Field(default_factory=dict)
    methods: Annotated[dict[str, Method], Field(min_length=1)]
    experiments: Annotated[dict[str, Experiment], Field(min_length=1)]
    figures: dict[str, Drawing] = Field(default_factory=dict)
    tables: dict[str, Drawing] = Field(default_factory=dict)
    claims: dict[str, Claim] = Field(default_factory=dict)
    _runs: dict[str, list[ResolvedRun]] = PrivateAttr(default_factory=dict)

    @property
    def file(self) -> Path:
        """The `replication.yaml` of this paper, relative to the root."""
        return paths.replication_file(self.paper)

    def qualified(self, name: str) -> str:
        """Turn `tasks.Family` into `replications.<paper>.tasks:Family`; `shared.` names stay in `shared`."""
        absolute = name.startswith(("shared.", "replications."))
        module, _, attribute = name.rpartition(".")
        return f"{module}:{attribute}" if absolute else f"replications.{self.paper}.{module}:{attribute}"

    def possible_runs(self, scale: str) -> list[ResolvedRun]:
        """Return the runs at `scale` whose experiments lack no extra."""
        return [run for run in self.runs(scale) if self.experiments[run.experiment].is_possible]

    def runs(self, scale: str) -> list[ResolvedRun]:
        """Return every run at `scale`, in the order of the file; raise `StudyError` for an unknown scale."""
        check_scale(scale)
        if scale not in self._runs:
            self._runs[scale] = list(self._resolve_all(scale))
        return self._runs[scale]

    def run(self, experiment: str, method: str, seed: int, scale: str) -> ResolvedRun:
        """Return one run; raise `StudyError` that names what is unknown: scale, experiment, method, seed."""
        runs = self.runs(scale)
        if experiment not in self.experiments:
            raise StudyError(f"{self.file}: {unknown('experiment', experiment, self.experiments)}")
        if not self.experiments[experiment].is_possible:
            extra = self.experiments[experiment].extra
            raise StudyError(
                f"{self.file}: experiment '{experiment}' needs the package '{extra}': "
                f"install it by `pip install -e '.[{extra}]'`"
            )
        runs = [run for run in runs if run.experiment == experiment]
        if not runs:
            scales = ", ".join(self.experiments[experiment].scales)
            raise StudyError(f"{self.file}: experiment '{experiment}' has no scale '{scale}', only: {scales}")
        methods = dict.fromkeys(run.method for run in runs)
        if method not in methods:
            where = f"{self.file}: experiments.{experiment} at scale '{scale}'"
            raise StudyError(f"{where}: {unknown('method', method, methods)}")
        for run in runs:
            if (run.method, run.seed) == (method, seed):
                return run
        last = max(run.seed for run in runs if run.method == method)
        raise StudyError(
            f"{self.file}: unknown seed {seed} of '{experiment}/{method}'; seeds at scale '{scale}' are 0 to {last}"
        )

    def spec_runs(self, spec: _Spec, scale: str) -> list[ResolvedRun]:
        """Return the possible runs at `scale` that a figure, table or claim looks at."""
        return [
            run
            for run in self.possible_runs(scale)
            if run.experiment in spec.experiments
            and (
                not spec.methods
                or run.method in spec.methods
                or run.method in self.experiments[run.experiment].yardsticks
            )
        ]

    def _resolve_all(self, scale: str) -> Iterator[ResolvedRun]:
        for name, experiment in self.experiments.items():
            budget = experiment.scales.get(scale)
            for method in experiment.methods if budget else ():
                if method not in budget.omit:
                    yield from self._resolve(name, experiment, method, scale, budget)

    def _resolve(
        self, name: str, experiment: Experiment, method_name: str, scale: str, budget: Budget
    ) -> Iterator[ResolvedRun]:
        method = self.methods[method_name]
        own = budget.methods.get(method_name, MethodBudget())
        by_steps = method.trains and method.iterations is None
        tasks = own.tasks or budget.tasks
        env_steps = (own.env_steps or budget.env_steps) if by_steps else None
        values = hyperparameter_values(method, method_name, experiment, budget)
        common = {
            "paper": self.paper,
            "experiment": name,
            "method": method_name,
            "scale": scale,
            "learner": self.qualified(method.learner),
            "family": self.qualified(experiment.family.name),
            "family_config": experiment.family.arguments | budget.family,
            "hyperparameters": {k: env_steps if value == WHOLE_BUDGET else value for k, value in values.items()},
            "protocol": experiment.protocol,
            "tasks": tasks,
            "curve_tasks": min(own.curve_tasks or budget.curve_tasks or tasks, tasks),
            "env_steps": env_steps,
            "iterations": method.iterations,
            "evaluate_every": (own.evaluate_every or budget.evaluate_every) if by_steps else None,
            "trains": method.trains,
            "needs": {need: _needed(target, name) for need, target in method.needs.items()},
        }
        for seed in range(own.seeds or (budget.seeds if by_steps else 1)):
            yield ResolvedRun(seed=seed, **common)


def _needed(target: str, experiment: str) -> tuple[str, ...]:
    """Return (experiment, method) of a run that a method in `experiment` needs."""
    place, *rest = target.split("/")
    return (experiment if place == "." else place, *rest)


def hyperparameter_values(method: Method, name: str, experiment: Experiment, budget: Budget) -> dict[str, Any]:
    """Merge the hyper-parameters of a method in the order method, experiment, scale."""
    values = {key: parameter.value for key, parameter in method.hyperparameters.items()}
    values |= {key: parameter.value for key, parameter in experiment.hyperparameters.get(name, {}).items()}
    return values | budget.hyperparameters.get(name, {})


def check_scale(scale: str) -> None:
    """Raise `StudyError` unless `scale` is one of `SCALES`."""
    if scale not in SCALES:
        raise StudyError(unknown("scale", scale, SCALES))


def load_replications(root: Path) -> dict[str, Replication]:
    """Return every replication found below `root`, by paper, complete and checked.

    Raises `StudyError` for the first mistake: file, key and nearest valid name in one sentence.
    """
    from shared.study.references import check_references

    raw = {folder.name: _read(root, folder.name) for folder in replication_folders(root)}
    replications = {paper: _validate(paper, data, raw) for paper, data in raw.items()}
    for replication in replications.values():
        check_references(replication, root)
    return replications


def find_replication(replications: Mapping[str, Replication], paper: str) -> Replication:
    """Return one paper's replication; raise `StudyError` with the nearest name where there is none."""
    if paper not in replications:
        raise StudyError(unknown("paper", paper, replications))
    return replications[paper]


def replication_folders(root: Path) -> list[Path]:
    """Return the folders `replications/<paper>` that hold something, sorted by name."""
    if not (root / "replications").is_dir():
        raise StudyError(f"{root} has no folder 'replications': run this in the repository, or name it with --root")
    folders = sorted((root / "replications").iterdir())
    return [f for f in folders if f.is_dir() and f.name[0] not in "._" and _holds_something(f)]


def _holds_something(folder: Path) -> bool:
    # What git leaves behind when a branch takes a paper away is its __pycache__; that is no replication.
    return any(entry.name != "__pycache__" for entry in folder.iterdir())


def _read(root: Path, paper: str) -> dict[str, Any]:
    file = paths.replication_file(paper)
    if not (root / file).is_file():
        raise StudyError(f"replications/{paper} has no file replication.yaml")
    return read_yaml(root, file)


def _validate(paper: str, data: dict[str, Any], raw: Mapping[str, dict[str, Any]]) -> Replication:
    file = paths.replication_file(paper)
    data = data | {"methods": with_borrowed(file, data.get("methods"), raw)}
    try:
        replication = Replication.model_validate(data)
    except ValidationError as error:
        raise StudyError(f"{file}: {first_error(error)}") from error
    if replication.paper != paper:
        raise StudyError(f"{file}: paper: must be the name of the folder, '{paper}', got '{replication.paper}'")
    return replication
