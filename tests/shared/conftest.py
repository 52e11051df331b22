"""A small study on disk with known numbers: what analysis and figures are tested on."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared.analysis.published import COLUMNS
from shared.study import paths
from shared.study.results import write_reference
from shared.study.run import ResolvedRun
from shared.study.schema import Drawing, Replication

SHORT = {
    "environment": "Coin",
    "setting": "n=10",
    "metric": "total_reward",
    "normalise": {"floor": "random", "ceiling": "oracle"},
    "curve": {"metric": "train/return", "steps_per_x": 100},
}
ADAPTING = {
    "environment": "Coin",
    "setting": "n=40",
    "metric": "total_reward",
    "episode": "last",
    "adaptation": "shots",
}
SCALES = {
    "smoke": {"tasks": 4, "env_steps": 100},
    "hour": {"tasks": 4, "env_steps": 1000, "seeds": 2},
    "night": {"tasks": 4, "env_steps": 5000, "seeds": 2},
    "paper": {"tasks": 4, "env_steps": 5000, "seeds": 2},
}
LEARNERS = ["random", "oracle", "ours", "twin", "transfer"]
DECLARATION = {
    "paper": "gamble",
    "title": "Gambling",
    "authors": "A. Nonymous",
    "source": "a test",
    "methods": {
        "random": {"label": "Random", "published": "Random", "learner": "play.Random", "trains": False},
        "oracle": {"label": "Oracle", "published": "Oracle", "learner": "play.Oracle", "trains": False},
        "ours": {"label": "Ours", "published": ["Ours", "Ours (quoted)"], "learner": "play.Ours"},
        "twin": {"label": "Twin", "published": "Ours", "learner": "play.Twin"},
        "transfer": {
            "label": "Transfer",
            "published": "Transfer",
            "learner": "play.Transfer",
            "trains": False,
            "needs": {"policy": "short/ours"},
        },
    },
    "experiments": {
        name: {
            "label": label,
            "family": {"name": "tasks.Coins"},
            "protocol": {"episodes": 2},
            "methods": LEARNERS,
            "published": published,
            "scales": SCALES,
        }
        for name, label, published in (
            ("short", "n = 10", SHORT),
            ("long", "n = 20", {"environment": "Coin", "setting": "n=20", "metric": "total_reward"}),
            ("unpublished", "n = 30", None),
            ("adapting", "n = 40", ADAPTING),
        )
    },
}
ROW = {
    "paper": "GAMBLE",
    "figure": "table1",
    "environment": "Coin",
    "setting": "n=10",
    "metric": "total_reward",
    "kind": "table",
    "source": "a test, Table 1",
}


class Study:
    """A replication in memory with its published numbers and runs in `root`."""

    def __init__(self, root: Path):
        self.root = root
        self.replication = Replication.model_validate(DECLARATION)

    def publish(self, *rows: dict) -> None:
        """Write the published numbers; each row over the defaults of `ROW`."""
        path = self.root / paths.published_file("gamble")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(ROW | row for row in rows)

    def run(self, experiment: str, method: str, scores: object, seed: int = 0, scale: str = "hour") -> ResolvedRun:
        """Write the results of a run whose return on task i is `scores[i]`, half of it in each episode."""
        run = self.replication.run(experiment, method, seed, scale)
        scores = np.asarray(scores, dtype=float)
        table = pd.DataFrame({
            "env_steps": run.env_steps or 0,
            "task": np.repeat(np.arange(len(scores), dtype=np.int32), 2),
            "episode": np.tile(np.arange(2, dtype=np.int32), len(scores)),
            "return": np.repeat(scores / 2, 2),
        })  # fmt: skip
        self._write(run, paths.RESULTS, table)
        return run

    def train(self, experiment: str, method: str, curve: dict, seed: int = 0, scale: str = "hour") -> None:
        """Write the metrics of a run, 100 environment steps a second: `curve` maps steps to the training return."""
        run = self.replication.run(experiment, method, seed, scale)
        steps, values = list(curve), [float(value) for value in curve.values()]
        table = {"iteration": range(1, len(steps) + 1), "env_steps": steps, "train/return": values}
        self._write(run, paths.METRICS, pd.DataFrame(table))
        training = {"run": run.model_dump(), "env_steps": steps[-1], "wall_seconds": steps[-1] / 100}
        (self.root / paths.run_folder(run) / paths.TRAINING).write_text(json.dumps(training))

    def ship(self, scale: str) -> None:
        """Turn the runs at `scale` into reference results and remove them."""
        runs = self.root / "data/runs" / scale
        for run in self.replication.runs(scale):
            folder = self.root / paths.run_folder(run)
            if (folder / paths.RESULTS).is_file():
                manifest = {"run": run.model_dump() | {"env_steps": None}, "config_hash": run.config_hash}
                if (folder / paths.TRAINING).is_file():
                    training = json.loads((folder / paths.TRAINING).read_text())
                    manifest |= {"run": training["run"], "training": training}
                (folder / paths.MANIFEST).write_text(json.dumps(manifest))
        write_reference(self.replication, scale, self.root)
        shutil.rmtree(runs)

    def drawing(self, experiments: list[str], methods: list[str] | None = None, **options: object) -> Drawing:
        """Declare a figure or table of some cells."""
        return Drawing(
            title="A title",
            caption="A caption",
            draw="figures.draw",
            experiments=experiments,
            methods=methods or [],
            options=options,
        )

    def _write(self, run: ResolvedRun, name: str, table: pd.DataFrame) -> None:
        folder = self.root / paths.run_folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        table.to_parquet(folder / name, index=False)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study(tmp_path)
    study.publish({"method": "Random", "value": 5.0})
    return study
