"""The claims' tests, on scores that are made up."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from replications.maesn import claims
from replications.maesn.learner import WAY
from replications.maesn.promp_tasks import CORNERS
from shared.study.schema import load_replications

ROOT = Path(__file__).parents[3]


class FakeEvidence:
    """What the claims ask of evidence: `scores` (experiment or None, method) → (column, batch) → `(seeds, tasks)`."""

    def __init__(self, experiments, methods, scores=None, metrics=None, speeds=None, **options):
        self.replication = load_replications(ROOT)["maesn"]
        self.spec = SimpleNamespace(experiments=experiments, methods=methods, options=options)
        self.given, self.metrics, self.speeds = scores or {}, metrics or {}, speeds or {}

    def scores(self, experiment, method, column="return", episode="total", origin=None):
        found = self.given.get((experiment, method), self.given.get(method, {}))
        return np.empty((0, 0)) if (column, episode) not in found else np.asarray(found[column, episode], dtype=float)

    def metrics_cell(self, experiment, method, origin=None):
        return self.metrics.get(method, pd.DataFrame())

    def training_speed(self, experiment, method, origin=None):
        return self.speeds.get(method)

    def seeds(self, experiment, method, origin=None):
        return 1


def gains(first, last):
    rows = np.arange(4.0)[None]
    return {("return", 0): rows + first, ("return", "last"): rows + last}


def adapts(own, other, **options):
    scores = {"maesn": gains(0, own), "latent-space": gains(5, 5 + other)}
    return claims.adapts_better(FakeEvidence(["wheeled"], ["maesn", "latent-space"], scores, **options))


def test_gains_must_be_large_enough_and_so_many_times_those_of_others():
    assert adapts(50, 20, at_least=30, times=2).verdict == "reproduced"
    assert adapts(50, 30, at_least=30, times=2).verdict == "not reproduced"
    assert adapts(25, 5, at_least=30, times=2).verdict == "not reproduced"
    missing = FakeEvidence(["wheeled"], ["maesn", "latent-space"], {"maesn": gains(0, 50)})
    assert claims.adapts_better(missing) is None


def explores(own, other, **options):
    scores = {"maesn": {("angle_spread", 0): [[own] * 3]}, "latent-space": {("angle_spread", 0): [[other] * 3]}}
    return claims.explores_wider(FakeEvidence(["wheeled"], ["maesn", "latent-space"], scores, **options))


def test_ways_must_spread_by_so_many_degrees_or_wider_than_anothers():
    assert explores(16, 9, at_least=15, at_most=10).verdict == "reproduced"
    assert explores(16, 11, at_least=15, at_most=10).verdict == "not reproduced"
    assert explores(14, 9, at_least=15, at_most=10).verdict == "not reproduced"
    assert explores(14, 9).verdict == "reproduced"
    assert explores(9, 14).verdict == "not reproduced"


def latents(spread, std=1.0, off=0.0):
    angles = np.linspace(0, np.pi, 40)[None]
    found = {("latent_std0", 0): np.full((1, 40), std), ("latent_std1", 0): np.full((1, 40), std)}
    for step, size in ((0, 0.1), (1, spread)):
        found |= {("latent_mean0", step): off + size * np.cos(angles), ("latent_mean1", step): size * np.sin(angles)}
    evidence = FakeEvidence(["pushing-latents"], ["pushing-latents"], {"pushing-latents": found}, most=0.3)
    return claims.latents_move_apart(evidence)


def test_latents_must_be_near_the_prior_first_and_apart_then():
    assert latents(2.0).verdict == "reproduced"
    assert latents(0.05).verdict == "not reproduced"
    far = latents(2.0, off=3.0)
    assert far.verdict == "not reproduced"
    # Means (3 ± 0.1, …) of the same width as the prior: half of the squares.
    assert far.value == pytest.approx(0.5 * (9 + 0.01), abs=0.01)


def test_gains_of_some_steps_have_a_least_or_a_most():
    scores = {"maml": {("return", 0): [[0.0, 1.0]], ("return", 1): [[30.0, 31.0]], ("return", 3): [[29.5, 30.5]]}}

    def verdict(**options):
        return claims.gains_between(FakeEvidence(["navigation"], ["maml"], scores, **options)).verdict

    assert verdict(at_least=20) == "reproduced"
    assert verdict(at_least=40) == "not reproduced"
    assert verdict(at_most=20) == "not reproduced"
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


def curves(*seeds):
    return pd.concat([pd.DataFrame({"seed": i, "after/return": values}) for i, values in enumerate(seeds)])


def test_areas_under_curves_need_more_than_one_seed():
    other = curves([0, 2, 4], [0, 3, 3])

    def result(*seeds):
        metrics = {"promp": curves(*seeds), "trpo-maml": other}
        evidence = FakeEvidence(
            ["promp-cheetah-direction"], ["promp", "trpo-maml"], metrics=metrics, metric="after/return"
        )
        return claims.learns_more(evidence)

    assert result([0, 5, 7], [0, 5, 10]).value == pytest.approx(2.5)
    assert result([0, 5, 7], [0, 5, 10]).verdict == "reproduced"
    assert result([0, 1, 1], [0, 1, 2]).verdict == "not reproduced"
    assert result([0, 5, 7]) is None


def test_noise_is_compared_as_a_ratio():
    noise = {
        "dice-vpg": pd.DataFrame({"iteration": [1, 2, 3], "outer/gradient_noise": [2.0, 4.0, 8.0]}),
        "lvc-vpg": pd.DataFrame({"iteration": [1, 2, 3], "outer/gradient_noise": [1.0, 2.0, 4.0]}),
    }
    evidence = FakeEvidence(["gradient-noise"], ["dice-vpg", "lvc-vpg"], metrics=noise, times=1.5)
    assert claims.noisier(evidence).value == pytest.approx(2)
    assert claims.noisier(evidence).verdict == "reproduced"
    turned = FakeEvidence(["gradient-noise"], ["lvc-vpg", "dice-vpg"], metrics=noise, times=1.5)
    assert claims.noisier(turned).verdict == "not reproduced"


def ways_to(corners):
    """Return straight ways from the origin to `corners`, one in each task."""
    ends = CORNERS[corners]
    shares = np.linspace(0, 1, WAY + 1)
    return {(f"{axis}{i:02}", 0): ends[None, :, d] * s for d, axis in enumerate("xy") for i, s in enumerate(shares)}


def test_corners_are_all_visited_or_not():
    everywhere, nowhere = ways_to(np.arange(40) % 4), ways_to(np.arange(40) % 3)

    def result(own, other):
        scores = {"lvc-vpg": own, "trpo-maml": other}
        return claims.visits_all_corners(FakeEvidence(["corners"], list(scores), scores, radius=1, at_least=0.05))

    found = result(everywhere, nowhere)
    assert found.verdict == "reproduced"
    assert result(nowhere, everywhere).verdict == "not reproduced"
    assert (
        claims.corner_visits(
            FakeEvidence(["corners"], [], {"lvc-vpg": everywhere}, radius=1), "corners", "lvc-vpg"
        ).sum()
        == 40
    )


def test_quicker_is_fewer_seconds_per_step():
    def result(own, other):
        speeds = {"promp": own, "trpo-maml": other}
        return claims.quicker(FakeEvidence(["promp-cheetah-direction"], list(speeds), speeds=speeds, at_most=0.5))

    assert result(3000.0, 1000.0).value == pytest.approx(1 / 3)
    assert result(3000.0, 1000.0).verdict == "reproduced"
    assert result(1500.0, 1000.0).verdict == "not reproduced"
    assert result(None, 1000.0) is None
