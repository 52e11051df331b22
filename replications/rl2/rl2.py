"""RL² (Duan et al. 2016): a recurrent policy whose hidden state is the fast learner, trained by slow policy gradients.

Reading order: `trials.py`, for a trial as the network sees it (Sec. 2.2) and for acting; then here the
hyper-parameters, the baseline, the two policy updates, and the learner that wires them. The paper trains by TRPO
(App. A); PPO is the alternative of later work. What is ours rather than the paper's is marked so here, and its reason
is in `replication.yaml`.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from replications.rl2.trials import TrialEncoder, Trials, living, play, play_blocks
from shared.networks.recurrent import RecurrentNetwork
from shared.rl.ppo import approximate_kl, clipped_surrogate
from shared.rl.returns import discounted_returns, generalized_advantages
from shared.rl.trpo import assign, flatten, line_search, natural_step, unflatten
from shared.study.seeds import generator_state, restore_generator
from shared.tasks.family import TaskFamily


class NetworkConfig(BaseModel):
    """The shape of RL²'s networks and of what they are shown (Sec. 2.2, App. A)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden_size: int = Field(gt=0)
    candidate: Literal["relu", "tanh"]
    weight_norm: bool
    head_scale: float = Field(ge=0, description="factor on the output layers' initial weights")
    update_bias: float = Field(description="initial bias of the update gates; negative: a long memory at first")
    inputs: Literal["separate", "transition"] = Field(description="how φ presents a step, see TrialEncoder")


class Config(NetworkConfig):
    """Hyper-parameters of RL²; the published values are in `replication.yaml`."""

    episodes: int = Field(gt=0, description="episodes of one trial, n")
    discount: float = Field(gt=0, le=1)
    gae_lambda: float = Field(ge=0, le=1)
    learning_signal: Literal["rewards", "expected_rewards"]
    batch_steps: int = Field(gt=0, description="environment steps of one meta-iteration")
    minibatch_trials: int = Field(gt=0, description="trials of one gradient step of the policy")
    algorithm: Literal["trpo", "ppo"]
    entropy_bonus: float = Field(ge=0)
    entropy_decay_steps: int | None = Field(description="steps over which the entropy bonus falls to zero")
    # TRPO
    max_kl: float = Field(gt=0)
    cg_iterations: int = Field(gt=0)
    cg_damping: float = Field(ge=0)
    fisher_share: float = Field(gt=0, le=1, description="share of the trials in Fisher products and line search")
    # PPO
    clip: float = Field(gt=0)
    policy_epochs: int = Field(gt=0)
    policy_learning_rate: float = Field(gt=0)
    # Baseline
    baseline_epochs: int = Field(gt=0)
    baseline_minibatch_trials: int = Field(gt=0)
    baseline_learning_rate: float = Field(gt=0)
    baseline_target: Literal["standardised", "raw"]
    baseline_lambda: float = Field(ge=0, le=1, description="λ of the returns that the baseline is fitted to")
    learning_rate_decay_steps: int | None = Field(description="steps over which learning rates fall to a tenth")
    max_gradient_norm: float = Field(gt=0)


class Standardiser:
    """Mean and spread of the return at each time step of a trial, `(T, 1)`.

    Ours: most of a return's variance is the position in the trial. Taking it out of the baseline's target leaves the
    network to learn what the history says. The statistics follow the policy as a moving average.
    """

    def __init__(self, rate: float = 0.2):
        self.rate = rate
        self.mean: np.ndarray | None = None
        self.spread: np.ndarray | None = None

    def update(self, returns: np.ndarray) -> None:
        """Move towards the batch's statistics; `returns` is `(T, N)`."""
        mean, spread = returns.mean(axis=1, keepdims=True), returns.std(axis=1, keepdims=True) + 1e-3
        if self.mean is None:
            self.mean, self.spread = mean, spread
        else:
            self.mean = self.mean + self.rate * (mean - self.mean)
            self.spread = self.spread + self.rate * (spread - self.spread)


def make_network(encoder: TrialEncoder, outputs: int, config: NetworkConfig, generator: torch.Generator):
    """Return a network from the encoder's inputs to `outputs` numbers, of the shape that `config` says."""
    return RecurrentNetwork(
        encoder.width,
        config.hidden_size,
        outputs,
        generator,
        weight_norm=config.weight_norm,
        relu=config.candidate == "relu",
        head_scale=config.head_scale,
        update_bias=config.update_bias,
    )


def gradient_step(optimiser: torch.optim.Optimizer, loss: Tensor, max_norm: float) -> None:
    """Descend `loss` once, with the gradient's norm clipped."""
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], max_norm)
    optimiser.step()


class PolicyBatch(NamedTuple):
    """What a policy update needs of some trials, at the steps that took place; `inputs` are whole trials."""

    inputs: Tensor
    lived: Tensor | None
    actions: Tensor
    old_log_probs: Tensor
    advantages: Tensor


def policy_batch(trials: Trials, advantages: Tensor, chosen: Tensor | slice) -> PolicyBatch:
    """Take the trials `chosen` out of `trials` and their `advantages` `(T, N)`."""
    lived = None if trials.lived is None else trials.lived[:, chosen]
    steps = (living(x[:, chosen], lived) for x in (trials.actions, trials.log_probs, advantages))
    return PolicyBatch(trials.inputs[:, chosen], lived, *steps)


def evaluate_policy(learner: "RL2", batch: PolicyBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the actions' log-probabilities, the policy's outputs, one per step of `batch`, and the mean entropy."""
    outputs, head = living(learner.policy(batch.inputs), batch.lived), learner.encoder.head
    return head.log_prob(outputs, batch.actions), outputs, head.entropy(outputs).mean()


def ppo_update(learner: "RL2", trials: Trials, advantages: Tensor) -> dict[str, float]:
    """Several epochs of clipped-surrogate ascent on mini-batches of whole trials."""
    c, kls, entropies = learner.config, [], []
    for _ in range(c.policy_epochs):
        for chosen in learner.minibatches(len(trials.rewards[0]), c.minibatch_trials):
            batch = policy_batch(trials, advantages, chosen)
            log_probs, _, entropy = evaluate_policy(learner, batch)
            surrogate = clipped_surrogate(log_probs, batch.old_log_probs, batch.advantages, c.clip).mean()
            gradient_step(learner.policy_optimiser, -surrogate - learner.entropy_bonus * entropy, c.max_gradient_norm)
            with torch.no_grad():
                kls.append(float(approximate_kl(log_probs, batch.old_log_probs)))
                entropies.append(float(entropy))
    return {"policy/kl": kls[-1], "policy/entropy": float(np.mean(entropies))}


def trpo_update(learner: "RL2", trials: Trials, advantages: Tensor) -> dict[str, float]:
    """One natural-gradient step of mean KL ≤ δ: gradient on all trials, Fisher products and line search on a share."""
    c, policy, head = learner.config, learner.policy, learner.encoder.head
    parameters = list(policy.parameters())
    count = trials.inputs.shape[1]
    gradient = torch.zeros_like(flatten(parameters))
    entropies = []
    for chosen in learner.minibatches(count, c.minibatch_trials):
        batch = policy_batch(trials, advantages, chosen)
        log_probs, _, entropy = evaluate_policy(learner, batch)
        ratio = torch.exp(log_probs - batch.old_log_probs)
        objective = (ratio * batch.advantages).mean() + learner.entropy_bonus * entropy
        gradient += flatten(torch.autograd.grad(objective, parameters)) * (len(chosen) / count)
        entropies.append(float(entropy.detach()))

    share = slice(0, max(1, round(c.fisher_share * count)))
    batch = policy_batch(trials, advantages, share)
    all_old, push, pull = policy.linearize(batch.inputs)
    old = living(all_old, batch.lived)
    weights = torch.ones(all_old.shape[:2], device=old.device) if batch.lived is None else batch.lived.float()
    weights = (weights / weights.sum())[..., None]

    def fisher_product(vector: Tensor) -> Tensor:
        return flatten(pull(weights * head.fisher(all_old, push(unflatten(vector, parameters)))))

    @torch.no_grad()
    def evaluate(vector: Tensor) -> tuple[float, float]:
        assign(parameters, vector)
        log_probs, outputs, entropy = evaluate_policy(learner, batch)
        ratio = torch.exp(log_probs - batch.old_log_probs)
        surrogate = (ratio * batch.advantages).mean() + learner.entropy_bonus * entropy
        return float(surrogate), float(head.kl(old, outputs).mean())

    step = natural_step(gradient, fisher_product, c.max_kl, c.cg_iterations, c.cg_damping)
    found = line_search(evaluate, flatten(parameters).detach(), step, c.max_kl)
    assign(parameters, found.parameters)
    return {"policy/kl": found.kl, "policy/entropy": float(np.mean(entropies)), "policy/step_share": found.share}


class RL2:
    """RL² with separate policy and baseline networks, trained by TRPO or PPO on whole trials."""

    Config = Config

    def __init__(self, family: TaskFamily, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        weights, trials = seed.spawn(2)
        generator = torch.Generator().manual_seed(int(weights.generate_state(1)[0]))
        self.encoder = TrialEncoder(family.observation_space, family.action_space, config.inputs)
        self.family, self.config, self.device = family, config, device
        self.rng = np.random.default_rng(trials)
        self.env_steps = 0
        self.policy = make_network(self.encoder, self.encoder.head.width, config, generator).to(device)
        self.baseline = make_network(self.encoder, 1, config, generator).to(device)
        self.policy_optimiser = torch.optim.Adam(self.policy.parameters(), lr=config.policy_learning_rate, eps=1e-5)
        self.baseline_optimiser = torch.optim.Adam(
            self.baseline.parameters(), lr=config.baseline_learning_rate, eps=1e-5
        )
        self.standardiser = Standardiser()
        self.entropy_bonus = config.entropy_bonus

    def train(self) -> dict[str, float]:
        """Collect one batch of fresh trials, update the policy, then fit the baseline (App. A)."""
        steps_per_trial = self.config.episodes * self.family.horizon
        tasks = self.family.train_tasks(max(1, self.config.batch_steps // steps_per_trial), self.rng)
        trials = play(self.policy, self.encoder, self.family, tasks, self.config.episodes, self.rng)
        self.env_steps += trials.steps
        advantages, targets, metrics = self._advantages(trials)
        self._follow_schedules()
        update = trpo_update if self.config.algorithm == "trpo" else ppo_update
        metrics |= update(self, trials, advantages)
        metrics |= self._fit_baseline(trials, targets)
        totals = trials.rewards.sum(axis=0)
        spread = {"train/return": float(totals.mean()), "train/return_se": float(totals.std() / len(totals) ** 0.5)}
        return spread | metrics

    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
        """Play one trial per task with frozen weights and sampled actions; returns `(tasks, episodes)`."""
        return play_blocks(self.policy, self.encoder, self.family, tasks, episodes, rng)

    def state_dict(self) -> dict[str, Any]:
        """Return networks, optimisers, the baseline's statistics, the generator and the step count."""
        return {
            "policy": self.policy.state_dict(),
            "baseline": self.baseline.state_dict(),
            "policy_optimiser": self.policy_optimiser.state_dict(),
            "baseline_optimiser": self.baseline_optimiser.state_dict(),
            "standardiser": {"mean": self.standardiser.mean, "spread": self.standardiser.spread},
            "rng": generator_state(self.rng),
            "env_steps": self.env_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.policy.load_state_dict(state["policy"])
        self.baseline.load_state_dict(state["baseline"])
        self.policy_optimiser.load_state_dict(state["policy_optimiser"])
        self.baseline_optimiser.load_state_dict(state["baseline_optimiser"])
        self.standardiser.mean, self.standardiser.spread = (state["standardiser"][k] for k in ("mean", "spread"))
        restore_generator(self.rng, state["rng"])
        self.env_steps = state["env_steps"]

    def _advantages(self, trials: Trials) -> tuple[Tensor, Tensor, dict[str, float]]:
        """Return standardised advantages and the baseline's targets, both `(T, N)`, and the fit's quality.

        With `expected_rewards` (ours) the mean reward of each state and action stands in for the drawn one: the
        gradient has the same expectation and less noise, and the network still sees only what was drawn.
        """
        c = self.config
        rewards = trials.expected_rewards if c.learning_signal == "expected_rewards" else trials.rewards
        returns = discounted_returns(rewards, c.discount)
        if c.baseline_target == "standardised":
            if self.standardiser.mean is None:
                self.standardiser.update(returns)
            mean, spread = self.standardiser.mean, self.standardiser.spread
        else:
            mean, spread = np.float32(0), np.float32(1)
        with torch.no_grad():
            blocks = trials.inputs.split(c.baseline_minibatch_trials, dim=1)
            outputs = torch.cat([self.baseline(block)[..., 0] for block in blocks], dim=1).cpu().numpy()
        values = mean + spread * outputs
        advantages = generalized_advantages(rewards, values, 0.0, c.discount, c.gae_lambda)
        if c.baseline_lambda < 1:
            returns_to_fit = values + generalized_advantages(rewards, values, 0.0, c.discount, c.baseline_lambda)
        else:
            returns_to_fit = returns
        if c.baseline_target == "standardised":
            # The fitted network is next read with the new statistics, so its targets are scaled with them.
            self.standardiser.update(returns)
            mean, spread = self.standardiser.mean, self.standardiser.spread
        targets = self._tensor((returns_to_fit - mean) / spread)
        within_step = returns - returns.mean(axis=1, keepdims=True)
        explained = 1 - float((returns - values).var() / within_step.var())
        counted = advantages if trials.lived is None else advantages[trials.lived.cpu().numpy()]
        scaled = (advantages - counted.mean()) / (counted.std() + 1e-8)
        return self._tensor(scaled), targets, {"baseline/explained_variance": explained}

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _fit_baseline(self, trials: Trials, targets: Tensor) -> dict[str, float]:
        """Least squares on the λ-returns of this batch's trials (λ = 1: discounted returns)."""
        c, losses = self.config, []
        for _ in range(c.baseline_epochs):
            for chosen in self.minibatches(trials.inputs.shape[1], c.baseline_minibatch_trials):
                lived = None if trials.lived is None else trials.lived[:, chosen]
                errors = self.baseline(trials.inputs[:, chosen])[..., 0] - targets[:, chosen]
                loss = living(errors, lived).square().mean()
                gradient_step(self.baseline_optimiser, loss, c.max_gradient_norm)
                losses.append(float(loss.detach()))
        return {"baseline/loss": float(np.mean(losses))}

    def minibatches(self, trials: int, size: int) -> list[Tensor]:
        """Split the trials into random mini-batches of `size` whole trials."""
        order = torch.from_numpy(self.rng.permutation(trials)).to(self.device)
        return list(order.split(size))

    def _follow_schedules(self) -> None:
        """Let the learning rates fall linearly to a tenth and the entropy bonus to zero, then stay."""
        c = self.config
        if c.entropy_decay_steps is not None:
            self.entropy_bonus = c.entropy_bonus * (1 - min(1.0, self.env_steps / c.entropy_decay_steps))
        if c.learning_rate_decay_steps is None:
            return
        factor = 1 - 0.9 * min(1.0, self.env_steps / c.learning_rate_decay_steps)
        for optimiser, rate in (
            (self.policy_optimiser, c.policy_learning_rate),
            (self.baseline_optimiser, c.baseline_learning_rate),
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
