"""How long runs were trained, against the published budgets."""

from typing import TYPE_CHECKING

from shared.study.schema import SCALES

if TYPE_CHECKING:
    from shared.study.schema import Replication


def is_reduced(replication: "Replication", experiment: str, method: str, scale: str, needed: int | None = None) -> bool:
    """Tell whether a run at `scale` trains for fewer environment steps than are `needed`, or the paper's scale has."""
    largest = training_budget(replication, experiment, method, SCALES[-1])
    if largest is not None and needed is not None:
        largest = min(largest, needed)
    return largest is not None and (training_budget(replication, experiment, method, scale) or 0) < largest


def training_budget(replication: "Replication", experiment: str, method: str, scale: str) -> int | None:
    """Environment steps that a method is trained for at `scale`, those of the runs it needs included.

    None where the scale has no such run; 0 for a method without training or with a fixed number of
    iterations.
    """
    for run in replication.runs(scale):
        if (run.experiment, run.method) == (experiment, method):
            needed = [training_budget(replication, *need, scale) or 0 for need in run.needs.values()]
            return (run.env_steps or 0) + sum(needed)
    return None
