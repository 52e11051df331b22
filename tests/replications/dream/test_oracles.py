import subprocess
import sys

import numpy as np
import pytest

from replications.dream.beliefs import RideBeliefs, partial_permutations
from replications.dream.oracles import FullInformation, PartialInformation, ThompsonSampling
from replications.dream.tasks import Cooking, CourseMap, DistractingBus, Map
from replications.rl2.tasks import BernoulliBandits

SEED = np.random.SeedSequence(0)


def every_case(family, problems):
    """Return the trials of all goals of all `problems`; their mean is the expected return."""
    return np.array([[problem, 0, 0, *goal] for problem in problems for goal in family.goals(problem)], dtype=float)


def expected(oracle, problems):
    return oracle.adapt(every_case(oracle.family, problems), 2, np.random.default_rng(0))[:, -1].mean()


def full(family):
    return FullInformation(family, FullInformation.Config(), SEED)


def partial(family, known):
    return PartialInformation(family, PartialInformation.Config(known=known), SEED)


@pytest.mark.parametrize("family", [DistractingBus(), Map()], ids=["bus", "map"])
def test_levels_of_the_buses(family):
    assert expected(full(family), family.test_ids) == pytest.approx(0.8)  # three steps
    assert expected(partial(family, 0), range(24)) == pytest.approx(0.3, abs=1e-6)  # eight steps of walking
    assert expected(partial(family, 1), range(24)) == pytest.approx(0.5, abs=1e-6)
    assert expected(partial(family, 3), range(24)) == pytest.approx(0.8, abs=1e-6)  # the fourth follows


def test_levels_of_the_course_map():
    family = CourseMap()
    assert expected(full(family), family.test_ids) == pytest.approx(0.7)
    assert expected(partial(family, 0), family.test_ids) == pytest.approx(0.1, abs=1e-6)


def test_levels_of_the_kitchens():
    family = Cooking()
    assert expected(full(family), family.train_ids) == pytest.approx(0.399, abs=5e-4)
    assert expected(full(family), family.test_ids) == pytest.approx(0.467, abs=5e-4)
    recipes = family.test_tasks(100, np.random.default_rng(0))
    assert full(family).adapt(recipes, 2, np.random.default_rng(0))[:, -1].mean() == pytest.approx(0.472)
    assert expected(partial(family, 0), family.train_ids) == pytest.approx(0.076, abs=5e-4)
    assert expected(partial(family, 1), family.train_ids) == pytest.approx(0.25, abs=1e-3)
    two = partial(family, 2)
    assert expected(two, family.train_ids) == pytest.approx(0.399, abs=5e-4)
    two._known = [(0, 2)]  # the corners alone
    assert expected(two, family.train_ids) == pytest.approx(0.298, abs=1e-3)


@pytest.mark.parametrize(("resample", "level"), [(True, 0.70), (False, -0.60)])
def test_levels_of_thompson_sampling(resample, level):
    oracle = ThompsonSampling(DistractingBus(), ThompsonSampling.Config(resample=resample), SEED)
    returns = oracle.adapt(oracle.family.trials(0, 8000), 2, np.random.default_rng(0))[:, 1]
    assert returns.mean() == pytest.approx(level, abs=3.5 * returns.std() / 8000**0.5)


def test_there_are_113_partial_permutations_of_four():
    # One that knows nothing, 4·4 that know one end, 6·4·3 that know two, 24 that know three and so all.
    assert len(partial_permutations(4)) == 1 + 16 + 72 + 24
    assert partial_permutations(2) == [(-1, -1), (0, 1), (1, 0)]


@pytest.mark.slow
def test_useless_lines_are_never_worth_a_ride():
    family = DistractingBus()
    helpful, all_lines = RideBeliefs(family), RideBeliefs(family, groups=2)
    nothing = all_lines.index[(-1, -1, -1, -1)]
    for goal in ((0, 0), (8, 0)):
        plans = helpful.plan(goal), all_lines.plan(goal)
        np.testing.assert_allclose(plans[1][:, nothing, helpful.start], plans[0][:, helpful.start], atol=1e-5)


def test_what_cannot_be_known_is_refused():
    with pytest.raises(ValueError, match="known must not be above 3"):
        partial(Cooking(), 4)
    with pytest.raises(ValueError, match="knows nothing of BernoulliBandits"):
        full(BernoulliBandits(2, 2))
    with pytest.raises(ValueError, match="knows nothing of Cooking"):
        ThompsonSampling(Cooking(), ThompsonSampling.Config(resample=True), SEED)


def test_oracles_and_figures_do_not_wait_for_torch():
    modules = "oracles, replications.dream.figures, replications.dream.claims, replications.dream.tabular"
    code = f"import sys, replications.dream.{modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
