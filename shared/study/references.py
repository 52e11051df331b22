"""Checks of a replication beyond the shape of its file: every name it mentions must exist.

Names inside the file (methods, experiments, scales) are looked up in the file, names of code in the source,
by reading and without importing it, so that a mistake is refused at once.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

from shared.study import paths
from shared.study.errors import StudyError, unknown
from shared.study.inspection import Arguments, Source
from shared.study.schema import SCALES, WHOLE_BUDGET, Budget, Experiment, Replication, hyperparameter_values

T = TypeVar("T")

# Names become folders, file names, wildcards and rule names.
_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RULE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TARGETS = ("claims", "comparison", "runtimes", "reference", "report")


def check_references(replication: Replication, root: Path) -> None:
    """Raise `StudyError` naming file, key and nearest valid name for the first name that leads nowhere."""
    checker = _Checker(replication, Source(root))
    checker.names()
    checker.published(root)
    checker.extras(root)
    for name in replication.methods:
        checker.method(name)
    for name in replication.experiments:
        checker.experiment(name)
    for section in ("figures", "tables", "claims"):
        checker.specs(section)
    checker.needs()


class _Checker:
    def __init__(self, replication: Replication, source: Source):
        self.replication = replication
        self.source = source
        self.fields: dict[str, Arguments] = {}

    def fail(self, key: str, sentence: str) -> NoReturn:
        raise StudyError(f"{self.replication.file}: {key}: {sentence}")

    def look_up(self, key: str, search: Callable[[str], T], name: str) -> T:
        """Search the source for the code that `name` means; where it is missing, name the key that asked."""
        if "." not in name:
            self.fail(key, f"'{name}' must name a module and a thing in it, as in 'tasks.{name}'")
        try:
            return search(self.replication.qualified(name))
        except LookupError as error:
            self.fail(key, error.args[0])

    def known(self, key: str, kind: str, names: Iterable[str], valid: Iterable[str]) -> None:
        valid = list(valid)
        for name in names:
            if name not in valid:
                self.fail(key, unknown(kind, name, valid))

    def names(self) -> None:
        """Names must be fit for folders and rules, and no figure may hide a table or another target."""
        replication = self.replication
        folders = [("methods", replication.methods), ("experiments", replication.experiments)]
        rules = [
            ("figures", replication.figures),
            ("tables", replication.tables),
            ("claims", replication.claims),
        ]
        for section, names, pattern in [(s, n, _FOLDER_NAME) for s, n in folders] + [
            (s, n, _RULE_NAME) for s, n in rules
        ]:
            for name in names:
                if not pattern.fullmatch(name):
                    self.fail(f"{section}.{name}", f"'{name}' is no name: it must match {pattern.pattern}")
        for name in replication.figures:
            if name in replication.tables:
                self.fail(f"figures.{name}", f"there is a table '{name}' too; figures and tables share their names")
        for section, names in rules[:2]:
            for name in names:
                if name in _TARGETS:
                    self.fail(f"{section}.{name}", f"'{name}' is the name of another target")

    def published(self, root: Path) -> None:
        """Who points at published numbers needs the file that holds them."""
        replication = self.replication
        file = paths.published_file(replication.paper)
        if (root / file).is_file():
            return
        for name, method in replication.methods.items():
            if method.published:
                self.fail(f"methods.{name}.published", f"there is no file {file}")
        for name, experiment in replication.experiments.items():
            if experiment.published:
                self.fail(f"experiments.{name}.published", f"there is no file {file}")

    def extras(self, root: Path) -> None:
        """An extra is one of the project's optional dependencies, where there is a list of them."""
        file = root / "pyproject.toml"
        if not file.is_file():
            return
        extras = tomllib.loads(file.read_text())["project"]["optional-dependencies"]
        for name, experiment in self.replication.experiments.items():
            if experiment.extra:
                self.known(f"experiments.{name}.extra", "extra", [experiment.extra], extras)

    def method(self, name: str) -> None:
        method, key = self.replication.methods[name], f"methods.{name}"
        if method.learner.startswith("replications.") and not method.borrow:
            self.fail(
                f"{key}.learner",
                f"another paper's method is borrowed: 'borrow: paper/method', not '{method.learner}'",
            )
        if method.iterations and not method.trains:
            self.fail(f"{key}.iterations", "a method with 'trains: false' has no iterations")
        self.fields[name] = self.look_up(f"{key}.learner", self.source.config_arguments, method.learner)
        self.hyperparameters(f"{key}.hyperparameters", name, method.hyperparameters)

    def hyperparameters(self, key: str, method: str, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.fields[method].names:
                sentence = unknown(f"hyper-parameter of '{method}'", name, self.fields[method].names)
                self.fail(f"{key}.{name}", sentence)

    def experiment(self, name: str) -> None:
        experiment, key = self.replication.experiments[name], f"experiments.{name}"
        self.known(f"{key}.methods", "method", experiment.methods, self.replication.methods)
        for method in experiment.methods:
            if experiment.methods.count(method) > 1:
                self.fail(f"{key}.methods", f"'{method}' is listed twice")
        self.family(f"{key}.family", experiment)
        self.known(f"{key}.hyperparameters", "method", experiment.hyperparameters, experiment.methods)
        for method, names in experiment.hyperparameters.items():
            self.hyperparameters(f"{key}.hyperparameters.{method}", method, names)
        if experiment.published:
            target = experiment.published
            named = [target.floor] if target.floor else []
            named += [target.normalise.floor, target.normalise.ceiling] if target.normalise else []
            self.known(f"{key}.published", "method", named, experiment.methods)
        for scale, budget in experiment.scales.items():
            if scale not in SCALES:
                self.fail(f"{key}.scales", unknown("scale", scale, SCALES))
            self.budget(f"{key}.scales.{scale}", experiment, budget)

    def family(self, key: str, experiment: Experiment) -> None:
        family = experiment.family
        arguments = self.look_up(f"{key}.name", self.source.constructor_arguments, family.name)
        if arguments is None:
            return
        own = [(f"{key}.{name}", name) for name in family.arguments]
        for scale, budget in experiment.scales.items():
            own += [(f"{key.removesuffix('family')}scales.{scale}.family.{name}", name) for name in budget.family]
        for where, name in own:
            if name not in arguments.names:
                self.fail(where, unknown(f"argument of {family.name}", name, arguments.names))
        for name in arguments.names:
            if name in arguments.required and name not in family.arguments:
                self.fail(key, f"{family.name} needs a value for '{name}'")

    def budget(self, key: str, experiment: Experiment, budget: Budget) -> None:
        for part, names in (
            ("omit", budget.omit),
            ("methods", budget.methods),
            ("hyperparameters", budget.hyperparameters),
        ):
            self.known(f"{key}.{part}", "method", names, experiment.methods)
        for method, names in budget.hyperparameters.items():
            self.hyperparameters(f"{key}.hyperparameters.{method}", method, names)
        for name in experiment.methods:
            if name not in budget.omit:
                self.budgeted_method(key, name, experiment, budget)

    def budgeted_method(self, key: str, name: str, experiment: Experiment, budget: Budget) -> None:
        method, own = self.replication.methods[name], budget.methods.get(name)
        by_steps = method.trains and method.iterations is None
        if by_steps and budget.env_steps is None and (own is None or own.env_steps is None):
            self.fail(f"{key}.env_steps", f"this key is missing, and '{name}' trains for env_steps")
        if not by_steps and own and (own.env_steps or own.evaluate_every):
            length = "does not train" if not method.trains else "trains for its own 'iterations'"
            self.fail(
                f"{key}.methods.{name}",
                f"'{name}' {length}, so env_steps and evaluate_every mean nothing to it",
            )
        given = hyperparameter_values(method, name, experiment, budget)
        if not by_steps and WHOLE_BUDGET in given.values():
            parameter = next(parameter for parameter, value in given.items() if value == WHOLE_BUDGET)
            self.fail(
                f"methods.{name}.hyperparameters.{parameter}",
                f"'{WHOLE_BUDGET}' stands for env_steps, and '{name}' has none",
            )
        for parameter in self.fields[name].names:
            if parameter in self.fields[name].required and parameter not in given:
                self.fail(f"methods.{name}.hyperparameters", f"'{parameter}' has no value ({key})")

    def specs(self, section: str) -> None:
        """Figures, tables and claims: their runs must be declared, their functions must be there."""
        replication = self.replication
        for name, spec in getattr(replication, section).items():
            key = f"{section}.{name}"
            function = "test" if section == "claims" else "draw"
            self.look_up(f"{key}.{function}", self.source.find, getattr(spec, function))
            self.known(f"{key}.experiments", "experiment", spec.experiments, replication.experiments)
            compared = {m for e in spec.experiments for m in replication.experiments[e].methods}
            self.known(f"{key}.methods", "method", spec.methods, sorted(compared))

    def needs(self) -> None:
        """A needed run must be trained at the same scale, with the same seed."""
        for scale in SCALES:
            runs = {(run.experiment, run.method, run.seed): run for run in self.replication.runs(scale)}
            for run in runs.values():
                for name, target in run.needs.items():
                    key = f"methods.{run.method}.needs.{name}"
                    self.needed(key, "/".join(target), scale)
                    if (*target, run.seed) not in runs:
                        wanted = f"'{'/'.join(target)}' with seed {run.seed} at scale '{scale}'"
                        self.fail(key, f"'{run.experiment}/{run.method}' needs {wanted}, which is not declared")

    def needed(self, key: str, target: str, scale: str) -> None:
        valid = list(self._trained(scale))
        if target not in valid:
            self.fail(key, unknown(f"trained method at scale '{scale}'", target, valid))

    def _trained(self, scale: str) -> Iterator[str]:
        for run in self.replication.runs(scale):
            if run.trains and run.seed == 0:
                yield f"{run.experiment}/{run.method}"
