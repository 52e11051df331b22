"""Planning in many small finite-horizon MDPs at once, and the Bayesian beliefs that the planners act on.

RL²'s tabular baselines (Sec. 3.2) are those of the TabulaRL package: they keep independent posteriors for every mean
reward and every transition row, and plan by backward induction over the horizon at the start of each episode.

Shapes: N MDPs, H steps per episode, S states, A actions. Rewards `(N, S, A)`, transitions `(N, S, A, S)`,
action values `(H, N, S, A)`. Arrays are float32: values are sums of tens of rewards of order one.
"""

import math
from dataclasses import dataclass

import numpy as np

NOISE_PRECISION = 1.0  # observed rewards are N(mean, 1) (Sec. 3.2), and the learners know it


@dataclass(frozen=True)
class Prior:
    """Independent beliefs before any data: N(`reward_mean`, 1/`reward_precision`) and Dirichlet(`pseudo_count`, …)."""

    reward_mean: float
    reward_precision: float
    pseudo_count: float


class Posterior:
    """Conjugate beliefs about N MDPs: Normal for each mean reward, Dirichlet for each transition row."""

    def __init__(self, prior: Prior, tasks: int, states: int, actions: int):
        self.prior = prior
        self.visits = np.zeros((tasks, states, actions), dtype=np.float32)
        self.reward_sums = np.zeros((tasks, states, actions), dtype=np.float32)
        self.transition_counts = np.zeros((tasks, states, actions, states), dtype=np.float32)
        self._tasks = np.arange(tasks)

    def observe(self, states: np.ndarray, actions: np.ndarray, rewards: np.ndarray, successors: np.ndarray | None):
        """Add one step of every MDP, arrays `(N,)`; `successors` is None where the episode ended with the step."""
        pairs = (self._tasks, states, actions)
        self.visits[pairs] += 1
        self.reward_sums[pairs] += rewards
        if successors is not None:
            self.transition_counts[(*pairs, successors)] += 1

    @property
    def reward_precisions(self) -> np.ndarray:
        """Posterior precision of each mean reward, `(N, S, A)`: prior precision plus one noise precision a visit."""
        return self.prior.reward_precision + NOISE_PRECISION * self.visits

    @property
    def reward_means(self) -> np.ndarray:
        """Posterior mean of each mean reward, `(N, S, A)`: the precision-weighted mean of prior and data."""
        weighted_prior = self.prior.reward_precision * self.prior.reward_mean
        return (weighted_prior + NOISE_PRECISION * self.reward_sums) / self.reward_precisions

    @property
    def concentrations(self) -> np.ndarray:
        """Dirichlet concentrations, `(N, S, A, S)`: prior pseudo-count plus observed transitions."""
        return self.prior.pseudo_count + self.transition_counts

    def mean(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the posterior-mean MDPs: rewards `(N, S, A)`, transitions `(N, S, A, S)`."""
        return self.reward_means, normalised_rows(self.concentrations)

    def sample(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw one MDP from each posterior: rewards `(N, S, A)`, transitions `(N, S, A, S)`."""
        noise = rng.standard_normal(self.visits.shape, dtype=np.float32)
        rewards = self.reward_means + noise / np.sqrt(self.reward_precisions)
        # Gamma(α + n) = Gamma(α) + Gamma(n): most counts n are 0, and one shape for all is drawn twice as fast.
        gammas = rng.standard_gamma(self.prior.pseudo_count, self.transition_counts.shape, dtype=np.float32)
        seen = np.flatnonzero(self.transition_counts > 0)
        gammas.ravel()[seen] += rng.standard_gamma(self.transition_counts.ravel()[seen], dtype=np.float32)
        return rewards, normalised_rows(gammas)


def normalised_rows(weights: np.ndarray) -> np.ndarray:
    """Return `weights` `(…, S)` divided by their sums over the last axis."""
    ones = np.ones(weights.shape[-1], dtype=weights.dtype)
    sums = weights.reshape(-1, len(ones)) @ ones  # several times as fast as a sum over a short last axis
    return weights / sums.reshape(*weights.shape[:-1], 1)


def greedy_values(q: np.ndarray) -> np.ndarray:
    """Return max_a Q(s, a), `(N, S)`, for action values `(N, S, A)`."""
    values = q[..., 0]
    for action in range(1, q.shape[-1]):  # ten times as fast as a maximum over a short last axis
        values = np.maximum(values, q[..., action])
    return values


def expected_values(transitions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return E[V(s') | s, a], `(N, S, A)`, for transitions `(N, S, A, S)` and values `(N, S)`."""
    tasks, states, actions, _ = transitions.shape
    flat = transitions.reshape(tasks, states * actions, states)
    return (flat @ values[:, :, None]).reshape(tasks, states, actions)


def backward_induction(
    rewards: np.ndarray, transitions: np.ndarray, horizon: int, bonus_per_step_to_go: np.ndarray | float = 0.0
) -> np.ndarray:
    """Return the optimal undiscounted action values `(H, N, S, A)` of finite-horizon MDPs.

    Q_h(s, a) = R(s, a) + E[max_a' Q_{h+1}(s', a')] + (H − 1 − h) · bonus(s, a), with value 0 after the last step.
    The bonus `(N, S, A)` is zero for plain value iteration; TabulaRL's BEB uses it.
    """
    q = np.empty((horizon, *rewards.shape), dtype=np.float32)
    q[-1] = rewards
    for h in range(horizon - 2, -1, -1):
        steps_to_go = horizon - 1 - h
        q[h] = rewards + expected_values(transitions, greedy_values(q[h + 1])) + steps_to_go * bonus_per_step_to_go
    return q


def optimistic_transitions(transitions: np.ndarray, widths: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the transition rows `(N, S, A, S)` with the largest expected value within an L1 ball.

    The inner maximisation of extended value iteration (Jaksch et al. 2010, Fig. 2): half of the L1 width `(N, S, A)`
    is moved to the best successor, as far as it fits, and taken from the worst ones. Successors of equal value are
    ordered by index, the last of them being the best.
    """
    tasks, states = values.shape
    ranks = values.argsort(axis=-1, kind="stable").argsort(axis=-1)
    best = ranks == states - 1
    into_best = np.minimum(0.5 * widths, 1.0 - expected_values(transitions, best.astype(np.float32)))
    # worse_or_same[..., i] = probability of successor i and of all that are worse, by one matrix product
    not_better = (ranks[:, :, None] <= ranks[:, None, :]).astype(np.float32)
    worse_or_same = (transitions.reshape(tasks, -1, states) @ not_better).reshape(transitions.shape)
    kept = np.clip(worse_or_same - into_best[..., None], 0.0, transitions)
    return kept + into_best[..., None] * best[:, None, None, :]


def extended_value_iteration(
    rewards: np.ndarray,
    transitions: np.ndarray,
    reward_widths: np.ndarray,
    transition_widths: np.ndarray,
    horizon: int,
    alias_transitions: bool = False,
) -> np.ndarray:
    """Return the action values `(H, N, S, A)` that are optimal over all MDPs within the confidence widths.

    `reward_widths` `(N, S, A)` are added to the rewards; `transition_widths` `(N, S, A)` bound the L1 distance of
    transition rows (Jaksch et al. 2010, Sec. 3.1).

    With `alias_transitions` the optimism of a step is kept in the model for all steps before it, as TabulaRL's code
    does by editing its estimate in place: its result is no longer within the widths. A row whose best successor takes
    all the probability is replaced there and not edited, so it leaves the model as it was.
    """
    q = np.empty((horizon, *rewards.shape), dtype=np.float32)
    values = np.zeros(rewards.shape[:2], dtype=np.float32)
    for h in range(horizon - 1, -1, -1):
        optimistic = optimistic_transitions(transitions, transition_widths, values)
        q[h] = rewards + reward_widths + expected_values(optimistic, values)
        if alias_transitions:
            best = values.argsort(axis=-1, kind="stable")[:, -1]
            into_best = transitions[np.arange(len(best)), :, :, best]
            replaced = into_best + 0.5 * transition_widths > 1.0
            transitions = np.where(replaced[..., None], transitions, optimistic)
        values = greedy_values(q[h])
    return q


def confidence_widths(posterior: Posterior, episode: int, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return UCRL2's unscaled confidence widths of mean rewards and (L1) of transition rows, each `(N, S, A)`.

    √(4 L / max(n, 1)) and √(4 S L / max(n, 1)) with L = ln(2 S A (e + 1) / δ) in episode e = 1, 2, …; TabulaRL's form,
    simpler than that of Jaksch et al. 2010 (Eq. 3, 4). The numbers of observations n count the prior as what it is
    worth, so that an informative prior narrows the widths; TabulaRL's own near-flat prior is worth nothing.
    """
    _, states, actions = posterior.visits.shape
    log_term = math.log(2 * states * actions * (episode + 1) / delta)
    reward_counts = np.maximum(posterior.reward_precisions / NOISE_PRECISION, 1)
    transition_counts = np.maximum(posterior.concentrations.sum(axis=-1), 1)
    return np.sqrt(4 * log_term / reward_counts), np.sqrt(4 * states * log_term / transition_counts)


def random_argmax(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the index of the largest score of each row of `(N, A)`, ties broken uniformly at random, `(N,)`.

    Scores within 10⁻⁵ of the largest (relative where it exceeds 1) tie: the float32 matrix products that make equal
    actions' values may differ in the last bits.
    """
    largest = scores.max(axis=-1, keepdims=True)
    tied = scores >= largest - 1e-5 * np.maximum(np.abs(largest), 1.0)
    return np.where(tied, rng.random(scores.shape, dtype=np.float32), -1.0).argmax(axis=-1)
