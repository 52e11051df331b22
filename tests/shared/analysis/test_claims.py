import math

import pytest

from shared.analysis import claims
from shared.analysis.claims import COLUMNS, ClaimResult, all_of, evaluate_claims
from shared.study.schema import Claim


def result(low: float, high: float, threshold: float = 0.0, direction: str = "above", **rest) -> ClaimResult:
    defaults = {"statistic": "a - b", "value": (low + high) / 2, "seeds": 3}
    return ClaimResult(low=low, high=high, threshold=threshold, direction=direction, **defaults | rest)


@pytest.mark.parametrize(
    ("low", "high", "direction", "verdict"),
    [
        (0.1, 0.2, "above", "reproduced"),
        (0.0, 0.2, "above", "reproduced"),
        (-0.1, 0.2, "above", "undecided"),
        (-0.2, 0.0, "above", "undecided"),
        (-0.2, -0.1, "above", "not reproduced"),
        (0.1, 0.2, "below", "not reproduced"),
        (-0.1, 0.2, "below", "undecided"),
        (-0.2, -0.1, "below", "reproduced"),
        (0.0, 0.0, "above", "reproduced"),
        (0.0, 0.0, "below", "reproduced"),
    ],
)
def test_verdict_follows_from_interval_and_threshold(low, high, direction, verdict):
    assert result(low, high, direction=direction).verdict == verdict


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"direction": "over"}, "'above' or 'below', got 'over'"),
        ({"high": math.nan}, "must be finite"),
        ({"low": 2.0}, "low 2 is above high 1"),
    ],
)
def test_impossible_results_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        result(**{"low": 0.0, "high": 1.0} | change)


def test_sentence_states_what_is_claimed():
    assert result(0.1, 0.2).sentence == "a - b ≥ 0"
    assert result(0.1, 0.2, 0.5, "below", detail="9 cells").sentence == "a - b ≤ 0.5 (9 cells)"


def test_conjunction_is_decided_by_its_weakest_test():
    strong, weak = result(1.0, 2.0, statistic="strong"), result(0.1, 3.0, statistic="weak")
    open_, failed = result(-1.0, 1.0, statistic="open"), result(-2.0, -1.0, statistic="failed")
    assert all_of(strong, weak).statistic == "weak"
    assert all_of(strong, weak).verdict == "reproduced"
    assert all_of(strong, open_, weak).verdict == "undecided"
    assert all_of(strong, failed, open_).verdict == "not reproduced"
    assert all_of(strong, failed, open_).detail == "decisive of 3 conditions, 1 of which hold"


def test_conjunction_with_missing_tests_is_untested_unless_one_failed():
    strong, failed = result(1.0, 2.0), result(-2.0, -1.0)
    assert all_of(strong, None) is None
    assert all_of(None, None) is None
    assert all_of(None, failed).verdict == "not reproduced"


@pytest.mark.parametrize(
    ("own", "gain", "scale"),
    [
        ({"ours": [7, 8], "random": [5, 5]}, 2.5, "hour"),
        ({"ours": [7, 8]}, 4.0, "night (reference)"),  # of other tasks, for longer: not to be compared with one's own
        ({}, 4.0, "night (reference)"),
    ],
)
def test_claims_are_evaluated_on_runs_of_one_origin(study, monkeypatch, own, gain, scale):
    study.run("short", "ours", [9, 9, 9], scale="night")
    study.run("short", "random", [5, 5, 5], scale="night")
    study.ship("night")
    for method, scores in own.items():
        study.run("short", method, scores, scale="hour")

    def beats_random(evidence):
        scores = [evidence.scores("short", name) for name in ("ours", "random")]
        if not all(found.size for found in scores):
            return None
        gain = (scores[0] - scores[1]).mean()
        return ClaimResult("gain", gain, gain - 1, gain + 1, 0.0, "above", seeds=1)

    tests = {"replications.gamble.claims:beats": beats_random, "replications.gamble.claims:untested": lambda _: None}
    monkeypatch.setattr(claims, "load_object", lambda name, root: tests[name])
    declared = {
        name: Claim(statement=f"It {name}.", source="Sec. 1", test=f"claims.{name}", experiments=["short"])
        for name in ("beats", "untested")
    }
    replication = study.replication.model_copy(update={"claims": declared})
    table = evaluate_claims(replication, "hour", study.root)
    assert tuple(table.columns) == COLUMNS
    assert table["verdict"].tolist() == ["reproduced", "not run"]
    first, second = table.to_dict("records")
    assert (first["value"], first["low"], first["high"], first["seeds"]) == (gain, gain - 1, gain + 1, 1)
    assert first["statistic"] == "gain ≥ 0 (of 1 training seed alone)"
    assert first["scale"] == scale
    assert second["scale"] == ""
    assert math.isnan(second["value"])


@pytest.mark.parametrize(
    ("scale", "scores", "budget", "verdict"),
    [
        # `hour` trains 1,000 steps of the published 5,000, `night` all of them; the threshold is a mean score of 5.
        ("hour", [8, 8], {}, "reproduced"),
        ("hour", [8, 8], {"needs_full_budget": True}, "reduced budget"),
        ("hour", [2, 2], {}, "reduced budget"),
        ("hour", [2, 2], {"env_steps": 1000}, "not reproduced"),
        ("hour", [2, 2], {"env_steps": 1001}, "reduced budget"),
        ("night", [8, 8], {"needs_full_budget": True}, "reproduced"),
        ("night", [2, 2], {}, "not reproduced"),
        ("night", [2, 2], {"env_steps": 9000}, "not reproduced"),
    ],
)
def test_short_training_cannot_fail_a_claim(study, monkeypatch, scale, scores, budget, verdict):
    study.run("short", "ours", scores, scale=scale)

    def above_five(evidence):
        value = evidence.scores("short", "ours").mean()
        return ClaimResult("score", value, value, value, 5.0, "above", seeds=1)

    monkeypatch.setattr(claims, "load_object", lambda name, root: above_five)
    claim = Claim(
        statement="It does.",
        source="Sec. 1",
        test="claims.above_five",
        experiments=["short"],
        **budget,
    )
    replication = study.replication.model_copy(update={"claims": {"claim1": claim}})
    assert evaluate_claims(replication, scale, study.root)["verdict"].tolist() == [verdict]
