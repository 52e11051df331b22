"""How fast the samples that tabular learners need grow with the number of actions (Sec. 5.2, Prop. 2)."""

import numpy as np

from shared.analysis.evidence import Evidence
from shared.analysis.scores import final_rows

LAWS = {
    "|A| log|A|": lambda sizes: sizes * np.log(sizes),
    "|A|² log|A|": lambda sizes: sizes**2 * np.log(sizes),
}


def samples_by_size(evidence: Evidence, method: str, origin: str | None = None) -> dict[int, np.ndarray]:
    """Return the trials that each learner took, `(learners,)`, by the number of actions, where there are runs."""
    samples = {}
    for name, experiment in evidence.experiments().items():
        rows = final_rows(evidence.cell(name, method, origin))
        if len(rows):
            samples[int(experiment.family.arguments["actions"])] = rows["samples"].to_numpy()
    return samples


def fitted_power(x: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return the power p of the least-squares fit samples ∝ xᵖ; `samples` is `(sizes, …)`."""
    logs = np.log(np.asarray(x, dtype=float))
    centred = logs - logs.mean()
    return np.tensordot(centred, np.log(samples), axes=1) / (centred @ centred)
