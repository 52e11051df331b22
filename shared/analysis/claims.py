"""A paper's claims as computed tests: a statistic, its interval, a threshold, one rule for the verdict."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from shared.analysis.budget import is_reduced
from shared.analysis.evidence import REFERENCE, THIS_MACHINE, Evidence, load_evidence
from shared.study.loading import load_object

if TYPE_CHECKING:
    from shared.study.schema import Claim, Replication

COLUMNS = ("paper", "claim", "statement", "statistic", "value", "low", "high", "seeds", "scale", "verdict")

REPRODUCED, UNDECIDED, NOT_REPRODUCED, NOT_RUN = "reproduced", "undecided", "not reproduced", "not run"
REDUCED_BUDGET = "reduced budget"
FEW_SEEDS = 3  # below it, an interval says next to nothing of other training seeds
_SIGNS = {"above": "≥", "below": "≤"}


@dataclass(frozen=True)
class ClaimResult:
    """What a claim's test measured.

    The claim says that `statistic` lies `above` (or `below`) `threshold`; `low` and `high` bound its 95 %
    interval. `seeds` is the number of training seeds behind it (0: nothing that is trained) and `detail` what a
    reader needs besides, a sentence at most.
    """

    statistic: str
    value: float
    low: float
    high: float
    threshold: float
    direction: Literal["above", "below"]
    seeds: int
    detail: str = ""

    def __post_init__(self):
        if self.direction not in _SIGNS:
            raise ValueError(f"direction must be 'above' or 'below', got {self.direction!r}")
        if not all(map(math.isfinite, (self.value, self.low, self.high, self.threshold))):
            raise ValueError(f"{self.statistic}: value, interval and threshold must be finite, got {self}")
        if not self.low <= self.high:
            raise ValueError(f"{self.statistic}: low {self.low:g} is above high {self.high:g}")

    @property
    def margin(self) -> tuple[float, float]:
        """Distances of the interval's near and far end from the threshold, positive on the claimed side."""
        ends = (self.low - self.threshold, self.high - self.threshold)
        return ends if self.direction == "above" else (-ends[1], -ends[0])

    @property
    def verdict(self) -> str:
        """`reproduced` if the whole interval is on the claimed side, `not reproduced` if none is."""
        near, far = self.margin
        if near >= 0:
            return REPRODUCED
        return NOT_REPRODUCED if far < 0 else UNDECIDED

    @property
    def sentence(self) -> str:
        """The statistic with what is claimed of it, the detail, and whether few seeds stand behind it."""
        claimed = f"{self.statistic} {_SIGNS[self.direction]} {self.threshold:.4g}"
        few = f"of {self.seeds} training seed{'s' * (self.seeds > 1)} alone" if 0 < self.seeds < FEW_SEEDS else ""
        details = "; ".join(text for text in (self.detail, few) if text)
        return f"{claimed} ({details})" if details else claimed


def all_of(*results: ClaimResult | None) -> ClaimResult | None:
    """Join tests that must all hold into the one that decides: the worst verdict, then the smallest margin.

    A failed test decides even where others are missing; otherwise a missing one (None) leaves the claim
    untested.
    """
    present = [result for result in results if result is not None]
    if not present:
        return None
    if len(results) == 1:
        return present[0]
    weakest = min(present, key=_strength)
    if len(present) < len(results) and weakest.verdict != NOT_REPRODUCED:
        return None
    holding = sum(result.verdict == REPRODUCED for result in present)
    detail = f"decisive of {len(results)} conditions, {holding} of which hold"
    return replace(weakest, detail=f"{detail}; {weakest.detail}" if weakest.detail else detail)


def _strength(result: ClaimResult) -> tuple[int, float]:
    rank = (NOT_REPRODUCED, UNDECIDED, REPRODUCED).index(result.verdict)
    near, far = result.margin
    return rank, near / (far - near) if far > near else near


def evaluate_claims(replication: "Replication", scale: str, root: Path) -> pd.DataFrame:
    """Run the test of every claim of the paper; one row each with `COLUMNS`.

    A test sees this machine's runs at `scale`, and where they are not enough the reference runs instead, never both:
    they may have other budgets and tasks. The column `scale` says which. A test that returns None lacks data: where it
    does so for both, the verdict is `not run`. Where a run was trained for
    less than the published budget, a failure proves nothing, nor does anything about a claim that
    `needs_full_budget`: their verdict is `reduced budget`.
    """
    asked = dict.fromkeys(name for claim in replication.claims.values() for name in claim.experiments)
    everything = load_evidence(replication, SimpleNamespace(experiments=list(asked), methods=[]), scale, root)
    rows = [
        _row(replication.paper, name, claim, *_evaluated(claim, everything.narrowed(claim), root))
        for name, claim in replication.claims.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _evaluated(claim: "Claim", evidence: Evidence, root: Path) -> tuple[ClaimResult | None, str, bool]:
    """Return what the test measured, the scales it saw, and whether any run was trained for less than published."""
    replication, everything = evidence.replication, evidence
    test = load_object(replication.qualified(claim.test), root)
    for origin in (REFERENCE,) if evidence.scale == REFERENCE else (THIS_MACHINE, REFERENCE):
        evidence = everything.of(origin)
        result = test(evidence)
        if result is not None:
            break
    reduced = any(
        is_reduced(replication, experiment, method, str(rows["scale"].iloc[0]), claim.env_steps)
        for experiment in claim.experiments
        for method in evidence.methods(experiment)
        if len(rows := evidence.cell(experiment, method))
    )
    return result, "; ".join(evidence.scales_used()), reduced


def _verdict(result: ClaimResult, claim: "Claim", reduced: bool) -> str:
    if reduced and (claim.needs_full_budget or result.verdict == NOT_REPRODUCED):
        return REDUCED_BUDGET
    return result.verdict


def _row(
    paper: str, name: str, claim: "Claim", result: ClaimResult | None, scale: str, reduced: bool
) -> dict[str, Any]:
    identity = {"paper": paper, "claim": name, "statement": claim.statement}
    if result is None:
        missing = dict.fromkeys(("value", "low", "high", "seeds"), math.nan)
        return identity | missing | {"statistic": "", "scale": "", "verdict": NOT_RUN}
    numbers = {"value": result.value, "low": result.low, "high": result.high, "seeds": result.seeds}
    judged = {"statistic": result.sentence, "scale": scale, "verdict": _verdict(result, claim, reduced)}
    return identity | numbers | judged
