import numpy as np
import pytest

from replications.rl2.gittins import brezzi_lai, calibrated, index_table, whittle


@pytest.mark.parametrize(("successes", "failures", "expected"), [(0, 0, 0.7029), (1, 0, 0.8001), (0, 1, 0.5001)])
def test_calibrated_indices_at_discount_0_9(successes, failures, expected):
    # Gittins, Glazebrook & Weber (2011), table 8.4.
    assert calibrated(0.9, pulls=2)[successes, failures] == pytest.approx(expected, abs=5e-5)


def test_calibrated_index_at_discount_0_99():
    assert calibrated(0.99, pulls=1)[0, 0] == pytest.approx(0.8699, abs=5e-5)


def test_calibration_does_not_depend_on_its_grid_or_horizon():
    fine = calibrated(0.95, pulls=60, grid_points=2001)[:13, :13]
    fine[np.add(*np.indices(fine.shape)) > 12] = np.nan  # beyond the shorter table
    coarse = calibrated(0.95, pulls=12, lookahead=200)
    np.testing.assert_allclose(coarse, fine, atol=4e-4)
    assert np.nanmedian(np.abs(coarse - fine)) < 2e-5


def test_index_exceeds_the_mean_and_grows_with_success_and_discount():
    successes, failures = np.indices((21, 21))
    reachable = successes + failures <= 20
    means = (successes + 1) / (successes + failures + 2)
    low, high = calibrated(0.9, pulls=20), calibrated(0.99, pulls=20)
    assert (low > means)[reachable].all()
    assert (high > low)[reachable].all()
    assert (low[1:] > low[:-1])[reachable[1:]].all()  # one more success
    assert (low[:, 1:] < low[:, :-1])[reachable[:, 1:]].all()  # one more failure
    assert np.isnan(low[~reachable]).all()


@pytest.mark.parametrize(("a", "b", "discount", "expected"), [(1, 1, 0.9, 0.7965), (3, 1, 0.99, 0.9130)])
def test_whittle_form_by_hand(a, b, discount, expected):
    assert whittle(np.array(float(a)), np.array(float(b)), discount) == pytest.approx(expected, abs=5e-5)


# One case for each piece of ψ: s = 0.186, 0.863, 3.16, 10.9 and 33.2.
@pytest.mark.parametrize(
    ("a", "b", "discount", "expected"),
    [(30, 20, 0.9, 0.6209), (5, 5, 0.9, 0.5560), (1, 1, 0.9, 0.6397), (1, 1, 0.97, 0.6717), (1, 1, 0.99, 0.8908)],
)
def test_brezzi_lai_form_by_hand(a, b, discount, expected):
    assert brezzi_lai(np.array(float(a)), np.array(float(b)), discount) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("name", ["whittle", "brezzi_lai"])
def test_closed_forms_approach_the_exact_index_of_a_well_known_arm(name):
    exact, approximate = index_table("calibrated", 0.95, 60), index_table(name, 0.95, 60)
    assert approximate[30, 30] == pytest.approx(exact[30, 30], abs=0.01)
    assert np.array_equal(np.isnan(exact), np.isnan(approximate))


@pytest.mark.parametrize("discount", [0.0, 1.0, -0.5])
def test_discount_outside_the_open_unit_interval_is_refused(discount):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\), got"):
        index_table("calibrated", discount, 5)


def test_tables_are_kept_and_cannot_be_changed_by_a_caller():
    table = index_table("whittle", 0.9, 5)
    assert index_table("whittle", 0.9, 5) is table
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0] = 1.0
