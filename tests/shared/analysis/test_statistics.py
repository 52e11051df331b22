import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shared.analysis import statistics
from shared.analysis.statistics import Interval, bootstrap

# The two arrays and every golden value below were computed with rliable 1.2.0.
A = ((np.arange(30) * 7) % 11).reshape(5, 6) / 10
B = ((np.arange(30) * 5) % 13).reshape(5, 6) / 10
THRESHOLDS = np.array([0, 0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize(
    ("statistic", "golden_a", "golden_b"),
    [
        (statistics.mean, 0.506666667, 0.576666667),
        (statistics.median, 0.5, 0.53),
        (statistics.iqm, 0.50625, 0.56875),
        (statistics.optimality_gap, 0.493333333, 0.443333333),
    ],
)
def test_aggregates_equal_golden_values(statistic, golden_a, golden_b):
    np.testing.assert_allclose(statistic(A), golden_a, atol=1e-8)
    np.testing.assert_allclose(statistic(np.stack([A, B])), [golden_a, golden_b], atol=1e-8)


def test_probability_of_improvement_equals_golden_values():
    np.testing.assert_allclose(statistics.probability_of_improvement(A, B), 0.453333333, atol=1e-8)
    np.testing.assert_allclose(statistics.probability_of_improvement(B, A), 0.546666667, atol=1e-8)
    assert statistics.probability_of_improvement(A, A) == 0.5


def test_score_profiles_equal_golden_values():
    np.testing.assert_allclose(
        statistics.score_profile(A, THRESHOLDS), [0.9, 0.733333, 0.466667, 0.266667, 0], atol=1e-6
    )
    np.testing.assert_allclose(statistics.average_score_profile(A, THRESHOLDS), [1, 1, 0.5, 0, 0])


def test_stratified_bootstrap_equals_golden_interval():
    interval = bootstrap(statistics.iqm, A, rng=np.random.default_rng(0), level="runs", resamples=20_000)
    assert interval.value == pytest.approx(0.50625)
    assert (interval.low, interval.high) == pytest.approx((0.35625, 0.6625), abs=0.005)


def test_chunks_do_not_change_what_a_generator_gives(monkeypatch):
    whole = bootstrap(statistics.mean, A, rng=np.random.default_rng(3), level="runs")
    monkeypatch.setattr(statistics, "CHUNK_ELEMENTS", 7 * A.size)
    chunked = bootstrap(statistics.mean, A, rng=np.random.default_rng(3), level="runs")
    assert chunked == whole


def test_task_bootstrap_of_one_run_has_the_width_of_the_standard_error():
    scores = np.random.default_rng(0).normal(10, 2, size=(1, 10_000))
    interval = statistics.mean_interval(scores, np.random.default_rng(1))
    assert statistics.natural_level(scores) == "tasks"
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 2 / 100, rel=0.08)


def test_two_level_bootstrap_sees_spread_of_seeds_that_task_bootstrap_misses():
    tasks = np.random.default_rng(0).normal(0, 0.1, size=500)
    scores = np.array([0.0, 1.0, 2.0, 3.0])[:, None] + tasks
    rng = np.random.default_rng(1)
    over_tasks = bootstrap(statistics.mean, scores, rng=rng, level="tasks")
    over_both = bootstrap(statistics.mean, scores, rng=rng)
    assert over_tasks.high - over_tasks.low < 0.03
    assert over_both.high - over_both.low > 1.5


@pytest.mark.parametrize(("runs", "level"), [(1, "tasks"), (3, "tasks"), (3, "runs and tasks"), (3, "runs")])
def test_means_over_many_tasks_are_drawn_from_their_normal_limit(runs, level):
    rng = np.random.default_rng(0)
    skill = rng.random(5000)
    x, y = (rng.binomial(1, skill, size=(runs, 5000)) + shift for shift in (0.5, 1.0))
    x = x + 0.1 * np.arange(runs)[:, None]
    options = {"rng": np.random.default_rng(1), "level": level, "resamples": 4000}
    quick = statistics.bootstrap_of_means(np.divide, x, y, **options)
    plain = bootstrap(lambda a, b: statistics.mean(a) / statistics.mean(b), x, y, **options)
    width = plain.high - plain.low
    assert quick.value == plain.value
    assert (quick.low, quick.high) == pytest.approx((plain.low, plain.high), abs=0.08 * width)


def test_paired_difference_removes_what_tasks_share():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 50, size=(1, 2000))
    better = difficulty + 1 + rng.normal(0, 0.1, size=(1, 2000))
    interval = statistics.difference_interval(better, difficulty, rng)
    assert interval.low > 0.98
    assert interval.high < 1.02


def test_difference_of_unequal_numbers_of_seeds():
    interval = statistics.difference_interval(np.ones((3, 5)), np.zeros((1, 5)), np.random.default_rng(0))
    assert interval == Interval(1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([np.empty((0, 4))], "non-empty"),
        ([np.ones(4)], "non-empty"),
        ([np.array([[1.0, np.nan]])], "1 of 2 scores"),
        ([np.ones((1, 4)), np.ones((1, 3))], "share their tasks"),
    ],
)
def test_bad_scores_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        bootstrap(lambda *arrays: statistics.mean(arrays[0]), *scores, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=message):
        statistics.bootstrap_of_means(lambda *means: means[0], *scores, rng=np.random.default_rng(0))


def test_unknown_level_is_refused():
    with pytest.raises(ValueError, match="level must be one of"):
        bootstrap(statistics.mean, A, rng=np.random.default_rng(0), level="seeds")


def test_pointwise_interval_of_one_seed_has_no_bounds():
    value, low, high = statistics.pointwise_interval(np.array([[1.0, 2.0]]), np.random.default_rng(0))
    assert value.tolist() == [1.0, 2.0]
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_pointwise_interval_of_two_seeds_spans_them():
    value, low, high = statistics.pointwise_interval(np.array([[0.0, 5.0], [2.0, 5.0]]), np.random.default_rng(0))
    assert value.tolist() == [1.0, 5.0]
    assert (low.tolist(), high.tolist()) == ([0.0, 5.0], [2.0, 5.0])


def test_paired_test_against_hand_computed_t():
    # differences 1, 2, 3: mean 2, standard error 1/sqrt(3), t = 3.4641 at 2 degrees of freedom
    other = np.array([[5.0, 1.0, 7.0]])
    p = statistics.one_sided_p(other + np.array([1.0, 2.0, 3.0]), other, paired=True)
    assert p == pytest.approx(0.0370904, abs=1e-6)


def test_t_tests_agree_with_scipy():
    x, y = np.random.default_rng(0).normal(0.2, [[1.0], [3.0]], size=(2, 40))
    welch = stats.ttest_ind(x, y, equal_var=False, alternative="greater").pvalue
    paired = stats.ttest_rel(x, y, alternative="greater").pvalue
    assert statistics.one_sided_p(x[None], y[None], paired=False) == pytest.approx(welch)
    assert statistics.one_sided_p(x[None], y[None], paired=True) == pytest.approx(paired)


def test_t_test_of_constant_scores_follows_the_sign():
    high, low = np.full((2, 4), 3.0), np.full((2, 4), 2.0)
    for paired in (True, False):
        assert statistics.one_sided_p(high, low, paired) == 0.0
        assert statistics.one_sided_p(low, high, paired) == 1.0
        assert statistics.one_sided_p(high, high, paired) == 1.0


def test_bold_marks_best_and_all_not_significantly_worse():
    noise = np.random.default_rng(0).normal(size=(1, 200))
    scores = {"best": noise + 1.0, "close": noise[:, ::-1] + 0.95, "worse": noise}
    assert statistics.bold_methods(scores) == {"best", "close"}
    # on common tasks the same small gap is certain
    paired = {"best": noise + 1.0, "close": noise + 0.95 + 0.01 * noise[:, ::-1]}
    assert statistics.bold_methods(paired, paired=True) == {"best"}
    assert statistics.bold_methods({}) == set()


@given(
    st.integers(1, 4).flatmap(
        lambda runs: st.lists(st.lists(st.floats(-100, 100), min_size=runs, max_size=runs), min_size=1, max_size=6)
    )
)
def test_statistics_lie_within_the_scores(columns):
    scores = np.array(columns).T
    for statistic in (statistics.mean, statistics.median, statistics.iqm):
        assert scores.min() - 1e-9 <= statistic(scores) <= scores.max() + 1e-9


def test_affine_with_negative_scale_keeps_bounds_ordered():
    assert Interval(2.0, 1.0, 4.0).affine(0.0, -1.0) == Interval(-2.0, -4.0, -1.0)
