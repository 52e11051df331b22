"""The claims' tests, on scores that are made up."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from replications.maesn import claims
from replications.maesn.promp_points import VISITS
from shared.study.errors import StudyError
from shared.study.schema import load_replications

ROOT = Path(__file__).parents[3]


class FakeEvidence:
    """What the claims ask of evidence: `scores` (experiment or None, method) → (column, batch) → `(seeds, tasks)`."""

    def __init__(
        self, experiments, methods, scores=None, metrics=None, speeds=None, published=None, runs=None, **options
    ):
        self.replication = load_replications(ROOT)["maesn"]
        self.spec = SimpleNamespace(experiments=experiments, methods=methods, options=options)
        self.given, self.metrics, self.speeds, self.runs = scores or {}, metrics or {}, speeds or {}, runs or {}
        self.published = pd.DataFrame(published or [], columns=["x_value", "value", "low", "high", "spread"])

    def scores(self, experiment, method, column="return", episode="total", origin=None):
        found = self.given.get((experiment, method), self.given.get(method, {}))
        return np.empty((0, 0)) if (column, episode) not in found else np.asarray(found[column, episode], dtype=float)

    def metrics_cell(self, experiment, method, origin=None):
        return self.metrics.get(method, pd.DataFrame())

    def published_rows(self, experiment, method):
        return self.published

    def training_speed(self, experiment, method, origin=None):
        return self.speeds.get(method)

    def seeds(self, experiment, method, origin=None):
        return self.runs.get(method, 1)


def gains(first, last):
    rows = np.arange(4.0)[None]
    return {("return", 0): rows + first, ("return", "last"): rows + last}


def adapts(own, other, inside=0.0, **options):
    solved = {("solved", 0): [[0.2] * 4], ("solved", "last"): [[0.2 + inside] * 4]}
    scores = {"maesn": gains(0, own) | solved, "latent-space": gains(5, 5 + other)}
    return claims.adapts_better(FakeEvidence(["wheeled"], ["maesn", "latent-space"], scores, **options))


def test_gains_must_be_large_enough_and_so_many_times_those_of_others():
    assert adapts(50, 20, at_least=30, times=2).verdict == "reproduced"
    assert adapts(50, 30, at_least=30, times=2).verdict == "not reproduced"
    assert adapts(25, 5, at_least=30, times=2).verdict == "not reproduced"
    assert adapts(90, 40, at_least=30, times=2, others_at_most=20).verdict == "not reproduced"
    missing = FakeEvidence(["wheeled"], ["maesn", "latent-space"], {"maesn": gains(0, 50)})
    assert claims.adapts_better(missing) is None


def test_an_option_that_is_misspelled_or_missing_is_named():
    with pytest.raises(StudyError, match="unknown option 'tines'; the nearest valid name is 'times'"):
        adapts(50, 20, tines=2)
    with pytest.raises(StudyError, match="option 'at_most' is missing"):
        claims.quicker(FakeEvidence(["promp-cheetah-direction"], ["promp", "trpo-maml"]))


@pytest.mark.parametrize(
    ("at_least", "times", "others_at_most", "seeds"), [(85, 1, None, 3), (20, 8.5, None, 2), (20, 1, 15, 2)]
)
def test_the_condition_that_decides_has_the_seeds_of_what_it_is_about(at_least, times, others_at_most, seeds):
    scores, runs = {"maesn": gains(0, 90), "latent-space": gains(5, 15)}, {"maesn": 3, "latent-space": 2}
    options = {"at_least": at_least, "times": times, "others_at_most": others_at_most, "runs": runs}
    assert claims.adapts_better(FakeEvidence(["wheeled"], list(scores), scores, **options)).seeds == seeds


def test_to_save_costs_of_control_is_not_to_adapt():
    assert adapts(40, 10, inside=0.3, at_least=30, solved=0.2).verdict == "reproduced"
    assert adapts(40, 10, inside=0.0, at_least=30, solved=0.2).verdict == "not reproduced"


def explores(own, other, away=1.8, **options):
    scores = {
        "maesn": {("angle_spread", 0): [[own] * 3], ("distance", 0): [[away] * 3]},
        "latent-space": {("angle_spread", 0): [[other] * 3]},
    }
    return claims.explores_wider(FakeEvidence(["wheeled"], ["maesn", "latent-space"], scores, **options))


def test_ways_must_spread_by_so_many_degrees_or_wider_than_anothers():
    assert explores(16, 9, at_least=15, at_most=10).verdict == "reproduced"
    assert explores(16, 11, at_least=15, at_most=10).verdict == "not reproduced"
    assert explores(14, 9, at_least=15, at_most=10).verdict == "not reproduced"
    assert explores(14, 9).verdict == "reproduced"
    assert explores(9, 14).verdict == "not reproduced"


def test_who_stays_at_the_origin_does_not_explore_whatever_the_angle():
    assert explores(95, 9, away=1.8, at_least=15, at_most=10, distance=1).verdict == "reproduced"
    assert explores(95, 9, away=0.3, at_least=15, at_most=10, distance=1).verdict == "not reproduced"
    assert explores(95, 9, away=0.3, distance=1).verdict == "not reproduced"


def latents(spread, std=1.0, off=0.0):
    angles = np.linspace(0, np.pi, 40)[None]
    found = {("latent_std0", 0): np.full((1, 40), std), ("latent_std1", 0): np.full((1, 40), std)}
    for step, size in ((0, 0.1), (1, spread)):
        found |= {("latent_mean0", step): off + size * np.cos(angles), ("latent_mean1", step): size * np.sin(angles)}
    evidence = FakeEvidence(["pushing-latents"], ["pushing-latents"], {"pushing-latents": found}, most=0.3, apart=0.5)
    return claims.latents_move_apart(evidence)


def test_latents_must_be_near_the_prior_first_and_apart_then():
    assert latents(2.0).verdict == "reproduced"
    assert latents(0.05).verdict == "not reproduced"
    assert latents(0.4).verdict == "not reproduced"  # as much as a step by noise may move them
    far = latents(2.0, off=3.0)
    assert far.verdict == "not reproduced"
    # Means (3 ± 0.1, …) of the same width as the prior: half of the squares.
    assert far.value == pytest.approx(0.5 * (9 + 0.01), abs=0.01)


def test_gains_of_some_steps_have_a_least():
    scores = {"maml": {("return", 0): [[0.0, 1.0]], ("return", 1): [[30.0, 31.0]], ("return", 3): [[29.5, 30.5]]}}

    def verdict(**options):
        return claims.gains_between(FakeEvidence(["navigation"], ["maml"], scores, **options)).verdict

    assert verdict(at_least=20) == "reproduced"
    assert verdict(at_least=40) == "not reproduced"
    with pytest.raises(StudyError, match="option 'at_least' is missing"):
        verdict(first=1)
    assert verdict(first=1, last=3, at_least=-1) == "reproduced"
    assert verdict(first=1, last=3, at_least=0) == "not reproduced"


def test_final_returns_are_compared_over_the_tasks_that_both_met():
    scores = {
        ("wheeled-scratch", "trpo-scratch"): {("return", "last"): [[1.0, 2.0]]},
        ("wheeled", "maml-sparse"): {("return", "last"): [[0.0, 1.5, 100.0]]},
    }
    evidence = FakeEvidence(["wheeled-scratch", "wheeled"], ["trpo-scratch", "maml-sparse"], scores)
    result = claims.ends_as_high(evidence)
    assert (result.verdict, result.value) == ("reproduced", 0.75)
    turned = FakeEvidence(["wheeled", "wheeled-scratch"], ["maml-sparse", "trpo-scratch"], scores, margin=0.5)
    assert claims.ends_as_high(turned).verdict == "undecided"
    asked = FakeEvidence(["wheeled-scratch", "wheeled"], ["trpo-scratch", "maml-sparse"], scores, at_least=3)
    assert claims.ends_as_high(asked).verdict == "not reproduced"


def test_a_batch_of_one_test_is_compared_with_that_of_others():
    scores = {
        "maml": {("return", 1): [[5.0, 6.0]]},
        "pretrained": {("return", 1): [[4.0, 5.0]], ("return", "last"): [[9.0, 9.0]]},
        "random": {("return", 1): [[0.0, 0.0]], ("return", "last"): [[9.0, 9.0]]},
    }
    evidence = FakeEvidence(["navigation"], ["maml", "pretrained", "random"], scores, batches=[1, 1])
    assert (claims.ends_as_high(evidence).verdict, claims.ends_as_high(evidence).value) == ("reproduced", 1)
    later = FakeEvidence(["navigation"], ["maml", "pretrained", "random"], scores, batches=[1, "last"])
    assert claims.ends_as_high(later).verdict == "not reproduced"


def context(own, other):
    scores = {
        "context-vector": {("return", 0): [[0.0, 1.0]], ("return", 1): [[own, own + 1]]},
        "maml": {("return", 0): [[0.0, 1.0]], ("return", 1): [[other, other + 1]]},
    }
    evidence = FakeEvidence(["cheetah-direction"], list(scores), scores, at_most=50, at_least=250)
    return claims.fails_where_another_adapts(evidence).verdict


def test_to_fail_where_nobody_learns_proves_nothing():
    assert context(10, 300) == "reproduced"
    assert context(10, 20) == "not reproduced"
    assert context(100, 300) == "not reproduced"


def test_ends_of_training_are_compared():
    def rows(end):
        steps = np.arange(1, 21)
        return pd.DataFrame({"seed": 0, "env_steps": steps, "after/return": np.where(steps > 18, end, 0.0)})

    def result(own, other):
        metrics = {"maml-sparse": rows(own), "maesn": rows(other)}
        options = {"metric": "after/return", "margin": 5}
        return claims.trains_as_high(FakeEvidence(["wheeled"], list(metrics), metrics=metrics, **options))

    assert result(10.0, 12.0).verdict == "reproduced"
    assert result(10.0, 12.0).value == -2
    empty = {name: rows(1.0).iloc[:0] for name in ("maml-sparse", "maesn")}
    options = {"metric": "after/return", "margin": 5}
    assert claims.trains_as_high(FakeEvidence(["wheeled"], list(empty), metrics=empty, **options)) is None
    assert result(10.0, 20.0).verdict == "not reproduced"


def test_ends_of_training_may_come_after_other_steps_in_every_seed():
    def rows(end, *counts):
        runs = [pd.DataFrame({"seed": n, "env_steps": np.arange(1, n + 1) * 7, "after/return": end}) for n in counts]
        return pd.concat(runs)

    metrics = {"maml-sparse": rows(10.0, 40, 20), "maesn": rows(12.0, 30, 41)}
    options = {"metric": "after/return", "margin": 5}
    found = claims.trains_as_high(FakeEvidence(["wheeled"], list(metrics), metrics=metrics, **options))
    assert (found.value, found.verdict) == (-2, "reproduced")


def curves(*seeds):
    return pd.concat([pd.DataFrame({"seed": i, "after/return": values}) for i, values in enumerate(seeds)])


def test_areas_under_curves_need_more_than_one_seed():
    other = curves([0, 2, 4], [0, 3, 3])

    def result(*seeds, **options):
        metrics = {"promp": curves(*seeds), "trpo-maml": other}
        evidence = FakeEvidence(
            ["promp-cheetah-direction"], ["promp", "trpo-maml"], metrics=metrics, metric="after/return", **options
        )
        return claims.learns_more(evidence)

    assert result([0, 5, 7], [0, 5, 10]).value == pytest.approx(2.5)
    assert result([0, 5, 7], [0, 5, 10]).verdict == "reproduced"
    assert result([0, 1, 1], [0, 1, 2]).verdict == "not reproduced"
    assert result([0, 5, 7]) is None
    assert result([0, 5, 7], [0, 5, 10], less=True).verdict == "not reproduced"
    assert result([0, 1, 0], [0, 1, 1], less=True).verdict == "reproduced"


def noise(variance, signal):
    """Return metrics of three meta-iterations, the second of which did not measure."""
    missing = [variance, np.nan, variance]
    return pd.DataFrame({"outer/gradient_variance": missing, "outer/gradient_signal": [signal, np.nan, signal]})


def test_noise_is_compared_as_a_ratio_of_relative_standard_deviations():
    def result(first, second):
        metrics = {"dice-vpg": noise(*first), "lvc-vpg": noise(*second)}
        return claims.noisier(FakeEvidence(["gradient-noise"], list(metrics), metrics=metrics, times=1.5))

    assert result((16.0, 1.0), (4.0, 1.0)).value == pytest.approx(2)
    assert result((16.0, 1.0), (4.0, 1.0)).verdict == "reproduced"
    assert result((4.0, 1.0), (4.0, 1.0)).verdict == "not reproduced"
    assert result((16.0, -1.0), (4.0, 1.0)) is None  # no signal, no ratio
    assert result((16.0, 1.0), (4.0, -1.0)) is None
    assert result((np.nan, np.nan), (4.0, 1.0)) is None


def test_a_signal_that_some_samples_lack_leaves_the_ratio_open():
    columns = ["outer/gradient_variance", "outer/gradient_signal"]
    weak = pd.DataFrame([(16.0, 3.0), (16.0, -1.0), (16.0, -1.0)], columns=columns)
    strong = pd.DataFrame([(4.0, 1.0)] * 3, columns=columns)
    metrics = {"dice-vpg": weak, "lvc-vpg": strong}
    found = claims.noisier(FakeEvidence(["gradient-noise"], list(metrics), metrics=metrics, times=1.5))
    assert found.value == pytest.approx(48**0.5 / 2)  # √(48 / 1) over √(12 / 3), but some samples have no signal
    assert found.verdict == "undecided"


def test_most_of_the_way_is_a_share_of_what_is_gained_in_the_end():
    def result(first, last):
        rows = np.arange(4.0)[None]
        scores = {"maml": {("return", 0): rows, ("return", 1): rows + first, ("return", "last"): rows + last}}
        return claims.gains_between(FakeEvidence(["navigation"], ["maml"], scores, at_least=20, share=0.5))

    assert result(29, 37).verdict == "reproduced"
    assert result(29, 70).verdict == result(15, 20).verdict == "not reproduced"


def test_published_returns_are_met_within_a_standard_error_at_every_step():
    published = [(0, -40.0, -42.0, -38.0, "sem"), (1, -12.0, -13.0, -11.0, "sem"), (1, -12.0, None, None, "")]
    rows = np.linspace(-1, 1, 40)[None]  # standard error 0.095

    def result(before, after):
        scores = {"maml": {("return", 0): rows + before, ("return", 1): rows + after}}
        return claims.as_published(FakeEvidence(["navigation"], ["maml"], scores, published=published))

    assert result(-40, -12).value == pytest.approx(0, abs=1e-9)
    assert result(-40, -12).verdict == result(-38.1, -12).verdict == "reproduced"
    assert result(-40, -8).verdict == "not reproduced"
    assert result(-40, -8).value == pytest.approx(4 / np.hypot(1, rows.std(ddof=1) / 40**0.5))
    assert claims.as_published(FakeEvidence(["navigation"], ["maml"], published=published)) is None


def visits(shares):
    return {(name, 0): np.full((1, 40), share) for name, share in zip(VISITS, shares, strict=True)}


def test_corners_are_all_visited_or_not():
    def result(own, other):
        scores = {"lvc-trpo": visits(own), "trpo-maml": visits(other)}
        return claims.visits_all_corners(FakeEvidence(["corners"], list(scores), scores, at_least=0.15))

    everywhere, nowhere = (0.3, 0.2, 0.25, 0.25), (0.5, 0.5, 0.0, 0.0)
    assert result(everywhere, nowhere).verdict == "reproduced"
    assert result(nowhere, everywhere).verdict == "not reproduced"
    # What noise alone finds, in about 6 % of episodes, is not enough.
    found = result((0.06, 0.12, 0.12, 0.12), nowhere)
    assert (found.verdict, found.value) == ("not reproduced", pytest.approx(0.06))


def test_quicker_is_fewer_seconds_per_step():
    def result(own, other):
        speeds = {"promp": own, "trpo-maml": other}
        return claims.quicker(FakeEvidence(["promp-cheetah-direction"], list(speeds), speeds=speeds, at_most=0.5))

    assert result(3000.0, 1000.0).value == pytest.approx(1 / 3)
    assert result(3000.0, 1000.0).verdict == "reproduced"
    assert result(1500.0, 1000.0).verdict == "not reproduced"
    assert result(None, 1000.0) is None
