from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from replications.dream import claims
from replications.dream.tasks import DistractingBus
from shared.analysis.evidence import THIS_MACHINE, interval_generator
from shared.analysis.statistics import mean_interval
from shared.study.schema import load_replications

ROOT = Path(__file__).parents[3]
KNOWN, UNKNOWN = np.full((1, 4), 0.8), np.full((1, 4), 0.3)


class FakeEvidence:
    """What the claims ask of evidence, from given scores `(seeds, tasks)`: method → scores, or → (column → scores)."""

    def __init__(self, experiment, scores, **options):
        self.replication, self.root = load_replications(ROOT)["dream"], ROOT
        self.spec = SimpleNamespace(experiments=[experiment], methods=list(scores), options=options)
        self.given = scores

    def experiments(self):
        return {name: self.replication.experiments[name] for name in self.spec.experiments}

    def scores(self, experiment, method, column="return", episode="total", origin=None):
        given = self.given[method]
        found = given.get(column) if isinstance(given, dict) else given
        return np.empty((0, 0)) if found is None else found

    def mean(self, experiment, method, **choice):
        scores = self.scores(experiment, method, **choice)
        return mean_interval(scores, interval_generator()) if scores.size else None

    def published_value(self, experiment, method):
        return {("sign-room-images", "thompson"): 0.17}.get((experiment, method))

    def seeds(self, experiment, method, origin=None):
        return len(self.scores(experiment, method))


def explores(dream, others, **options):
    cells = {"dream": dream, "full-information": KNOWN, "nothing-known": UNKNOWN, **others}
    return claims.alone_explores(FakeEvidence("map", cells, **options))


def test_who_earns_the_optimum_alone_explores():
    result = explores(np.full((3, 4), 0.79), {"e-rl2": np.full((3, 4), 0.3), "import": None})
    assert result.verdict == "reproduced"
    # The condition that holds least: 0.98 of what exploring is worth, 0.08 above the threshold.
    assert (result.value, result.seeds) == (pytest.approx(0.98), 3)


def test_others_must_not_explore():
    result = explores(np.full((3, 4), 0.79), {"e-rl2": np.full((3, 4), 0.7)})
    assert result.verdict == "not reproduced"
    assert result.value == pytest.approx(0.8)
    assert "E-RL²" in result.statistic


def test_others_may_explore_some_of_what_is_worth_it():
    """Who knows one of two things earns a share of 0.4; others may earn up to halfway from there, 0.7."""
    cells = {"e-rl2": np.full((3, 4), 0.6), "one-known": np.full((1, 4), 0.5)}
    result = explores(np.full((3, 4), 0.79), cells, some="one-known")
    assert result.verdict == "reproduced"
    assert explores(np.full((3, 4), 0.79), cells).verdict == "not reproduced"
    cells["e-rl2"] += 0.06
    assert explores(np.full((3, 4), 0.79), cells, some="one-known").verdict == "not reproduced"


def test_several_identities_must_not_hurt():
    def still(earned, informative):
        cells = {"dream": {"return": np.full((3, 4), earned), "informative": np.full((3, 4), informative)}}
        options = {"level": 0.9, "at_least": {"informative": 0.9}}
        return claims.still_explores(FakeEvidence("revealing-action-identities", cells, **options))

    assert still(1.0, 1.0).verdict == "reproduced"
    assert still(0.5, 1.0).verdict == still(1.0, 0.5).verdict == "not reproduced"
    nothing = FakeEvidence("revealing-action-identities", {"dream": None}, level=0.9)
    assert claims.still_explores(nothing) is None


def test_others_must_have_learned_what_there_is_without_exploring():
    result = explores(np.full((3, 4), 0.79), {"e-rl2": np.full((3, 4), -2.0)})
    assert result.verdict == "not reproduced"
    assert result.value == pytest.approx((-2.0 - 0.3) / 0.5)


def test_nothing_is_said_without_the_method_or_without_any_other():
    assert explores(None, {"e-rl2": np.full((3, 4), 0.3)}) is None
    assert explores(np.full((3, 4), 0.8), {"e-rl2": None}) is None


def test_the_map_must_be_read():
    dream = {"return": np.full((3, 4), 0.8), "map_read": np.full((3, 4), 0.25)}
    result = explores(dream, {"e-rl2": np.full((3, 4), 0.3)}, at_least={"map_read": 0.9})
    assert (result.verdict, result.value) == ("not reproduced", 0.25)


def reads(dream, others, level=("sign-room-images", "thompson"), **options):
    cells = {"dream": dream, "e-rl2": None, **others}
    return claims.alone_reads(FakeEvidence("sign-room", cells, level=level, **options))


def test_who_earns_more_than_is_published_for_thompson_sampling_reads_the_sign():
    result = reads(np.full((2, 4), 0.9), {"e-rl2": np.zeros((2, 4))})
    assert (result.verdict, result.threshold) == ("reproduced", 0.17)


@pytest.mark.parametrize(
    ("dream", "rival", "statistic"),
    [(0.1, 0.0, "return, DREAM"), (0.9, 0.6, "return, E-RL²"), (0.9, -0.5, "return, E-RL²")],
)
def test_dream_must_earn_more_and_others_less_without_losing(dream, rival, statistic):
    result = reads(np.full((2, 4), dream), {"e-rl2": np.full((2, 4), rival)})
    assert (result.verdict, result.statistic) == ("not reproduced", statistic)


def test_the_sign_must_be_read():
    dream = {"return": np.full((2, 4), 0.9), "sign_read": np.full((2, 4), 0.3)}
    result = reads(dream, {"e-rl2": np.zeros((2, 4))}, at_least={"sign_read": 0.9})
    assert (result.verdict, result.value) == ("not reproduced", 0.3)


def test_nothing_is_said_of_the_sign_without_a_rival_or_a_published_number():
    assert reads(np.full((2, 4), 0.9), {}) is None
    assert reads(None, {"e-rl2": np.zeros((2, 4))}) is None
    assert reads(np.full((2, 4), 0.9), {"e-rl2": np.zeros((2, 4))}, level=("sign-room-images", "dream")) is None


def test_without_the_bottleneck_more_useless_lines_are_ridden():
    with_it = {"return": np.full((2, 4), 0.8), "useless_rides": np.zeros((2, 4))}
    without = {"return": np.full((2, 4), 0.6), "useless_rides": np.full((2, 4), 2.0)}
    cells = {"dream": with_it, "dream-no-bottleneck": without}
    result = claims.ignores_distractions(FakeEvidence("distracting-bus", cells))
    assert (result.verdict, result.value) == ("reproduced", pytest.approx(0.2))
    cells = {"dream": without, "dream-no-bottleneck": with_it}
    assert claims.ignores_distractions(FakeEvidence("distracting-bus", cells)).verdict == "not reproduced"


def test_runs_of_this_machine_are_not_compared_with_those_of_the_reference():
    class Shipped(FakeEvidence):
        """The reference has both methods; this machine has fewer tasks of the first one alone."""

        def scores(self, experiment, method, column="return", episode="total", origin=None):
            found = super().scores(experiment, method, column, episode)
            if origin != THIS_MACHINE:
                return found
            return found[:, :1] if method == "dream" else np.empty((0, 0))

        def seeds(self, experiment, method, origin=None):
            return len(self.scores(experiment, method, "return", origin=origin))

    cells = {
        "dream": {"return": np.full((3, 4), 0.8), "useless_rides": np.zeros((3, 4))},
        "dream-no-bottleneck": {"return": np.full((3, 4), 0.5), "useless_rides": np.ones((3, 4))},
    }
    result = claims.ignores_distractions(Shipped("distracting-bus", cells))
    assert (result.verdict, result.seeds) == ("reproduced", 3)


def test_what_tells_most_of_the_latent_pays_most():
    result = claims.is_consistent(FakeEvidence("distracting-bus", {"full-information": None}))
    assert (result.value, result.verdict) == (pytest.approx(1.0), "reproduced")
    # Two helpful and four useless lines tell more of the problem than three helpful ones, and pay less.
    assert "0.70 of 0.80" in result.detail


def test_what_tells_most_may_not_pay_where_an_episode_is_short(monkeypatch):
    poor = [
        one._replace(earned=0.1) if one.tells_latent > 3 else one for one in claims.explorations(DistractingBus(), [0])
    ]
    monkeypatch.setattr(claims, "explorations", lambda family, problems: poor)
    result = claims.is_consistent(FakeEvidence("distracting-bus", {"full-information": None}))
    assert result.verdict == "not reproduced"
