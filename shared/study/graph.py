"""What the Snakefile asks: which targets there are, what each job reads, and what makes a job run again.

Targets, paths and dependencies follow from the `replication.yaml` files found under `replications/`; the
workflow's own files hold no list and no logic. A job carries digests as parameters, of the code that it
imports and of the settings that it resolves to, and Snakemake runs it again when one of them changes.

The methods that take `wildcards` are Snakemake's input and parameter functions: they are given an object with
the attributes of the output's path (`scale`, `paper`, `experiment`, …) and return paths relative to the root.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.study import paths
from shared.study.digest import code_digest
from shared.study.errors import StudyError, unknown
from shared.study.manifest import run_digest
from shared.study.run import ResolvedRun
from shared.study.schema import (
    DEFAULT_SCALE,
    Claim,
    Drawing,
    Replication,
    check_scale,
    find_replication,
    load_replications,
)

REFERENCE = "reference"
TRAINED = (paths.MODEL, paths.CURVE, paths.TRAINING)
SETTINGS = ("scale",)
FIGURE_SUFFIXES = ("svg", "png")
TABLE_SUFFIXES = ("html", "md", "csv", "tex")
SUMMARY_SUFFIXES = ("html", "md", "csv")


def load_graph(root: Path, config: Mapping[str, Any]) -> "Graph":
    """Return the graph of the repository at `root` for the settings given by `--config`.

    Ends the program with one sentence for an unknown setting or scale, or a mistake in a `replication.yaml`.
    """
    with _one_sentence():
        for name in config:
            if name not in SETTINGS:
                raise StudyError(f"--config: {unknown('setting', name, SETTINGS)}")
        scale = config.get("scale", DEFAULT_SCALE)
        check_scale(scale)
        return Graph(root, scale, load_replications(root))


class Graph:
    """The replications below `root` as Snakemake sees them; `scale` is the one that targets by name mean."""

    def __init__(self, root: Path, scale: str, replications: Mapping[str, Replication]):
        self.root = root
        self.scale = scale
        self.replications = replications
        self._digests: dict[tuple[str, ...], str] = {}

    def targets(self) -> dict[str, list[str]]:
        """Return the files behind each name: a paper, a figure, a table, `<paper>_claims` and the like."""
        targets: dict[str, list[str]] = {}
        for paper in self.replications:
            targets[paper] = self._files([paper], self.scale)
            targets |= {f"{paper}_{name}": files for name, files in self._parts(paper, self.scale).items()}
        return targets

    def everything(self) -> list[str]:
        """Return the files of every paper at this scale, and the picture of the shared task families."""
        return [*self._files(self.replications, self.scale), *self.families()]

    def families(self) -> list[str]:
        """Return the picture of the tasks of all shared families; it is the same at every scale."""
        return [f"figures/families/families.{suffix}" for suffix in FIGURE_SUFFIXES]

    def families_code(self) -> str:
        """Return the digest of the code of all shared families and of what draws them."""
        modules = sorted(f"shared.tasks.{file.stem}" for file in (self.root / "shared/tasks").glob("[a-z]*.py"))
        return self._digest("shared.study.showing", *modules)

    def reference(self) -> list[str]:
        """Return the figures, tables, comparison and claims of every paper that ships reference results."""
        shipped = [paper for paper in self.replications if self._reference_files(paper)]
        return self._files(shipped, REFERENCE)

    def any_name(self, kind: str) -> str:
        """Return a regular expression for the names of all `figures` or `tables`."""
        names = {name for replication in self.replications.values() for name in getattr(replication, kind)}
        return "|".join(sorted(names)) or "(?!)"

    def refuse_target(self, wildcards: Any) -> list[str]:
        """End the program with a sentence: why there is no such target, and which was probably meant."""
        target = wildcards.target
        drawings = [f"{r.paper}_{name}" for r in self.replications.values() for name in (*r.figures, *r.tables)]
        with _one_sentence():
            if target in drawings:
                raise StudyError(f"{target} has neither runs at scale '{self.scale}' nor reference results")
            raise StudyError(unknown("target", target, ["all", "reference", "families", *self.targets()]))

    def training_inputs(self, wildcards: Any) -> list[str]:
        """Return the models that this run's training begins from."""
        return _needed_models(self._run(wildcards))

    def evaluation_inputs(self, wildcards: Any) -> list[str]:
        """Return what this run's training left for it, if it trains, and the models of the runs it needs."""
        run = self._run(wildcards)
        own = [_file(run, name) for name in TRAINED if run.trains]
        return own + _needed_models(run)

    def run_code(self, wildcards: Any) -> str:
        """Return the digest of the code that trains and evaluates this run."""
        run = self._run(wildcards)
        # The same for every run of a method on a family, and asked for several times per job.
        key = (run.learner, run.family)
        if key not in self._digests:
            self._digests[key] = run_digest(run, self.root)
        return self._digests[key]

    def training_config(self, wildcards: Any) -> str:
        """Return the hash of the settings that this run's training depends on."""
        return self._run(wildcards).training_hash

    def evaluation_config(self, wildcards: Any) -> str:
        """Return the hash of all settings of this run."""
        return self._run(wildcards).config_hash

    def drawing_inputs(self, wildcards: Any) -> list[str]:
        """Return the results, published numbers and reference results that a figure or table shows."""
        replication = self._replication(wildcards)
        return self._evidence(replication, _spec_runs(replication, [_drawing(replication, wildcards)], wildcards.scale))

    def drawing_code(self, wildcards: Any) -> str:
        """Return the digest of the code that draws and writes a figure or table."""
        replication = self._replication(wildcards)
        draw = replication.qualified(_drawing(replication, wildcards).draw)
        return self._digest(_module(draw), "shared.analysis.evidence", "shared.figures.output")

    def drawing_item(self, wildcards: Any) -> dict[str, str]:
        """Return `title`, `caption`, and a hash of all that a drawing takes from `replication.yaml`."""
        replication = self._replication(wildcards)
        drawing = _drawing(replication, wildcards)
        described = _described(replication, [drawing])
        return {"title": drawing.title, "caption": drawing.caption, "described": described}

    def claims_inputs(self, wildcards: Any) -> list[str]:
        """Return the results, published numbers and reference results that a paper's claims are tested on."""
        replication = self._replication(wildcards)
        return self._evidence(replication, _spec_runs(replication, replication.claims.values(), wildcards.scale))

    def claims_code(self, wildcards: Any) -> str:
        """Return the digest of the code that tests a paper's claims."""
        replication = self._replication(wildcards)
        tests = [_module(replication.qualified(claim.test)) for claim in replication.claims.values()]
        return self._digest(*tests, "shared.analysis.claims")

    def claims_described(self, wildcards: Any) -> str:
        """Return a hash of all that a paper's claims take from `replication.yaml`."""
        replication = self._replication(wildcards)
        return _described(replication, replication.claims.values())

    def comparison_inputs(self, wildcards: Any) -> list[str]:
        """Return the results of every experiment with published numbers, these, and the reference results."""
        replication = self._replication(wildcards)
        runs = _runs(replication, wildcards.scale)
        return self._evidence(replication, [r for r in runs if replication.experiments[r.experiment].published])

    def comparison_code(self, wildcards: Any) -> str:
        """Return the digest of the code that compares with published numbers."""
        return self._digest("shared.analysis.comparison")

    def comparison_described(self, wildcards: Any) -> str:
        """Return a hash of all that the comparison takes from `replication.yaml`."""
        return _described(self._replication(wildcards), [])

    def runtimes_inputs(self, wildcards: Any) -> list[str]:
        """Return the benchmark of every job of a paper's runs."""
        runs = _runs(self._replication(wildcards), wildcards.scale)
        training = [_file(run, paths.TRAIN_BENCHMARK) for run in runs if run.trains]
        return training + [_file(run, paths.EVALUATE_BENCHMARK) for run in runs]

    def runtimes_code(self, wildcards: Any) -> str:
        """Return the digest of the code that tabulates run times."""
        return self._digest("shared.analysis.runtimes")

    def _files(self, papers: Iterable[str], scale: str) -> list[str]:
        return [file for paper in papers for files in self._parts(paper, scale).values() for file in files]

    def _parts(self, paper: str, scale: str) -> dict[str, list[str]]:
        """Return the files of each part of a paper that has anything to show at `scale`."""
        replication = self.replications[paper]
        drawings = [(name, drawing, FIGURE_SUFFIXES) for name, drawing in replication.figures.items()]
        drawings += [(name, drawing, TABLE_SUFFIXES) for name, drawing in replication.tables.items()]
        shipped = bool(self._reference_files(paper))
        parts = {
            name: suffixes
            for name, drawing, suffixes in drawings
            if shipped or _spec_runs(replication, [drawing], scale)
        }
        parts |= {"comparison": SUMMARY_SUFFIXES, "claims": SUMMARY_SUFFIXES}
        if _runs(replication, scale):
            parts |= {"runtimes": SUMMARY_SUFFIXES}
        folder = paths.figures_folder(scale, paper)
        return {name: [f"{folder}/{name}.{suffix}" for suffix in parts[name]] for name in parts}

    def _replication(self, wildcards: Any) -> Replication:
        with _one_sentence():
            if wildcards.scale != REFERENCE:
                check_scale(wildcards.scale)
            return find_replication(self.replications, wildcards.paper)

    def _run(self, wildcards: Any) -> ResolvedRun:
        replication = self._replication(wildcards)
        with _one_sentence():
            return replication.run(wildcards.experiment, wildcards.method, int(wildcards.seed), wildcards.scale)

    def _evidence(self, replication: Replication, runs: Iterable[ResolvedRun]) -> list[str]:
        results = [_file(run, paths.RESULTS) for run in runs]
        metrics = [_file(run, paths.METRICS) for run in runs if run.trains]
        shipped = [str(paths.published_file(replication.paper)), *self._reference_files(replication.paper)]
        return list(dict.fromkeys(results + metrics + shipped))

    def _reference_files(self, paper: str) -> list[str]:
        files = self.root.glob(str(paths.reference_folder("*", paper) / "*.parquet"))
        return sorted(str(file.relative_to(self.root)) for file in files)

    def _digest(self, *modules: str) -> str:
        if modules not in self._digests:
            self._digests[modules] = code_digest(modules, self.root)
        return self._digests[modules]


@contextmanager
def _one_sentence() -> Iterator[None]:
    """End the program on a mistake of the person: Snakemake shows any other exception with a traceback."""
    try:
        yield
    except StudyError as error:
        raise SystemExit(str(error)) from None


def _runs(replication: Replication, scale: str) -> list[ResolvedRun]:
    return [] if scale == REFERENCE else replication.possible_runs(scale)


def _spec_runs(replication: Replication, specs: Iterable[Drawing | Claim], scale: str) -> list[ResolvedRun]:
    return [] if scale == REFERENCE else [run for spec in specs for run in replication.spec_runs(spec, scale)]


def _drawing(replication: Replication, wildcards: Any) -> Drawing:
    if hasattr(wildcards, "figure"):
        kind, name, drawings = "figure", wildcards.figure, replication.figures
    else:
        kind, name, drawings = "table", wildcards.table, replication.tables
    with _one_sentence():
        if name not in drawings:
            raise StudyError(f"{replication.file}: {unknown(kind, name, drawings)}")
    return drawings[name]


def _described(replication: Replication, specs: Iterable[Drawing | Claim]) -> str:
    """Hash `specs`, and what outputs say of methods and experiments: labels, published names, budgets."""
    described = {
        "title": replication.title,
        "specs": [spec.model_dump(mode="json") for spec in specs],
        "methods": {
            name: method.model_dump(mode="json", include={"label", "published"})
            for name, method in replication.methods.items()
        },
        "experiments": {
            name: experiment.model_dump(mode="json", include={"label", "published", "scales"})
            for name, experiment in replication.experiments.items()
        },
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def _file(run: ResolvedRun, name: str) -> str:
    return str(paths.run_folder(run) / name)


def _needed_models(run: ResolvedRun) -> list[str]:
    needed = [run.model_copy(update={"experiment": e, "method": m}) for e, m in run.needs.values()]
    return [_file(other, paths.MODEL) for other in needed]


def _module(name: str) -> str:
    return name.partition(":")[0]
