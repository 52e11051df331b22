import numpy as np
import pandas as pd

from shared.analysis import scores


def rows(seed: int, env_steps: int, returns: list[list[float]]) -> pd.DataFrame:
    """One evaluation: `returns[task][episode]`."""
    return pd.DataFrame(
        [
            ("e", "m", seed, "smoke", env_steps, task, episode, value)
            for task, episodes in enumerate(returns)
            for episode, value in enumerate(episodes)
        ],
        columns=["experiment", "method", "seed", "scale", "env_steps", "task", "episode", "return"],
    )


def test_final_rows_are_those_after_the_last_step_of_each_run():
    runs = pd.concat([rows(0, 0, [[1]]), rows(0, 50, [[2]]), rows(1, 0, [[3]]), rows(1, 40, [[4]])])
    assert scores.final_rows(runs)["return"].tolist() == [2, 4]
    assert scores.final_rows(runs.iloc[:0]).empty


def test_score_matrix_sums_or_picks_episodes():
    runs = pd.concat([rows(0, 9, [[1, 2], [3, 4]]), rows(1, 9, [[5, 6], [7, 8]])])
    assert scores.score_matrix(runs).tolist() == [[3, 7], [11, 15]]
    assert scores.score_matrix(runs, episode=0).tolist() == [[1, 3], [5, 7]]
    assert scores.score_matrix(runs, episode="last").tolist() == [[2, 4], [6, 8]]
    assert scores.score_matrix(runs.iloc[:0]).shape == (0, 0)


def test_score_matrix_keeps_the_tasks_that_all_seeds_scored():
    runs = pd.concat([rows(0, 9, [[1], [2], [3], [6]]), rows(1, 9, [[4], [5], [np.nan]])])
    assert scores.score_matrix(runs).tolist() == [[1, 2], [4, 5]]


def test_episode_scores():
    episodes, matrices = scores.episode_scores(rows(0, 9, [[1, 2], [3, 4]]))
    assert episodes.tolist() == [0, 1]
    assert [matrix.tolist() for matrix in matrices] == [[[1, 3]], [[2, 4]]]


def test_curves_are_interpolated_to_common_steps():
    metrics = pd.DataFrame({
        "seed": [0, 0, 0, 1, 1, 1],
        "env_steps": [10, 20, 30, 15, 25, 35],
        "train/return": [1.0, 2.0, 3.0, 10.0, 20.0, 30.0],
    })  # fmt: skip
    steps, values = scores.curve_matrix(metrics, "train/return")
    assert steps.tolist() == [20, 30]
    assert values.tolist() == [[2, 3], [15, 25]]


def test_curve_without_the_metric_is_empty():
    metrics = pd.DataFrame({"seed": [0], "env_steps": [10], "train/return": [np.nan]})
    steps, values = scores.curve_matrix(metrics, "train/return")
    assert len(steps) == 0
    assert values.shape == (0, 0)


def test_running_mean_is_centred():
    line = np.arange(200.0)
    np.testing.assert_allclose(scores.running_mean(line), line)
    spike = np.zeros(200)
    spike[100] = 5.0
    smooth = scores.running_mean(spike)
    np.testing.assert_allclose(smooth[98:103], 1.0)
    assert smooth[97] == 0
    assert smooth[103] == 0
    assert scores.running_mean(np.array([3.0])).tolist() == [3.0]


def test_evaluations_while_training_become_a_curve():
    first = pd.concat([rows(0, 0, [[1, 2], [3, 4]]), rows(0, 100, [[0, 10], [0, 20]])])
    second = pd.concat([rows(1, 10, [[0, 0]]), rows(1, 110, [[0, 100]])])
    steps, values = scores.evaluation_matrix(pd.concat([first, second]), episode="last")
    # Seed 0 was evaluated at 0, before seed 1 began, and at 100, where seed 1 stood at nine tenths of the way.
    assert steps.tolist() == [100]
    np.testing.assert_allclose(values, [[15.0], [90.0]])
    steps, values = scores.evaluation_matrix(first)
    assert (steps.tolist(), values.tolist()) == ([0, 100], [[5.0, 15.0]])
    assert scores.evaluation_matrix(first.iloc[:0])[1].shape == (0, 0)
