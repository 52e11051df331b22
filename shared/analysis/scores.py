"""From tidy rows to arrays: `(seeds, tasks)` final scores, `(seeds, points)` training curves."""

from typing import Literal

import numpy as np
import pandas as pd

Episode = int | Literal["total", "last"]

CURVE_WINDOWS = 50  # a training curve is shown as a running mean over 1/50 of its points


def final_rows(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep the evaluation after the last training step of every run."""
    if runs.empty:
        return runs
    last = runs.groupby(["experiment", "method", "seed", "scale"], observed=True)["env_steps"].transform("max")
    return runs[runs["env_steps"] == last]


def score_matrix(rows: pd.DataFrame, column: str = "return", episode: Episode = "total") -> np.ndarray:
    """Arrange the rows of one experiment, method and evaluation as `(seeds, tasks)`.

    A task's score is `column` summed over its episodes (`total`), or that of one episode, by its index or
    `last`. Tasks for which some seed has no score are left out. No rows give an array of shape `(0, 0)`.
    """
    if rows.empty:
        return np.empty((0, 0))
    if episode != "total":
        chosen = rows["episode"].max() if episode == "last" else episode
        rows = rows[rows["episode"] == chosen]
    table = rows.groupby(["seed", "task"], observed=True)[column].sum(skipna=False).unstack("task")
    return table.dropna(axis="columns").to_numpy(dtype=np.float64)


def episode_scores(rows: pd.DataFrame, column: str = "return") -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the episode indices `(E,)` of one cell's rows, and for each its `(seeds, tasks)` scores."""
    episodes = np.sort(rows["episode"].unique())
    return episodes, [score_matrix(rows, column, int(episode)) for episode in episodes]


def curve_matrix(metrics: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Arrange a training metric of one experiment and method as `(env_steps (P,), values (seeds, P))`.

    Every seed is smoothed by a running mean over 1/50 of its points and interpolated to the environment
    steps of the first seed, over the range that all seeds have reached. Rows without the metric are left
    out.
    """
    seeds = [
        (rows["env_steps"].to_numpy(dtype=np.float64), running_mean(rows[column].to_numpy(dtype=np.float64)))
        for _, rows in metrics.dropna(subset=[column]).sort_values("env_steps").groupby("seed")
    ]
    return _on_common_grid(seeds)


def evaluation_matrix(
    rows: pd.DataFrame, column: str = "return", episode: Episode = "total"
) -> tuple[np.ndarray, np.ndarray]:
    """Arrange the evaluations of one experiment and method as `(env_steps (P,), mean scores (seeds, P))`.

    Scores as in `score_matrix`, over the tasks of each evaluation, whose number may differ. Seeds are interpolated to
    the environment steps of the first, over the range that all of them have reached.
    """
    seeds = []
    for _, own in rows.groupby("seed", observed=True):
        steps, evaluations = zip(*own.groupby("env_steps"), strict=True)
        means = [score_matrix(evaluation, column, episode).mean() for evaluation in evaluations]
        seeds.append((np.array(steps, dtype=np.float64), np.array(means)))
    return _on_common_grid(seeds)


def _on_common_grid(seeds: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate `(env_steps, values)` of all seeds to the points of the first that all have reached."""
    if not seeds:
        return np.empty(0), np.empty((0, 0))
    start, stop = max(steps[0] for steps, _ in seeds), min(steps[-1] for steps, _ in seeds)
    grid = seeds[0][0]
    grid = grid[(grid >= start) & (grid <= stop)]
    return grid, np.stack([np.interp(grid, steps, values) for steps, values in seeds])


def running_mean(values: np.ndarray) -> np.ndarray:
    """Centred mean over 1/50 of the points of `values` `(P,)`; the window shrinks at the ends."""
    half = len(values) // CURVE_WINDOWS // 2
    total = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    reach = np.minimum(half, np.minimum(index, index[::-1]))  # shrinks on both sides alike, so the mean stays centred
    return (total[index + reach + 1] - total[index - reach]) / (2 * reach + 1)
