"""Trials of RL² (Duan et al. 2016, Sec. 2.2): several episodes of one task, as the network sees them, and how they are
played with the hidden state kept across episodes.
"""

from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from shared.networks.heads import head_for
from shared.networks.recurrent import RecurrentNetwork
from shared.tasks.family import TaskFamily


class Trials(NamedTuple):
    """Complete trials, time-major: T steps of N trials over I inputs.

    An episode that ended before its horizon stands still until all begin the next; `lived` `(T, N)` marks the steps
    that took place, and is None where all did.
    """

    inputs: Tensor
    actions: Tensor
    log_probs: Tensor
    rewards: np.ndarray
    expected_rewards: np.ndarray
    lived: Tensor | None

    @property
    def steps(self) -> int:
        """Environment steps that took place."""
        return self.rewards.size if self.lived is None else int(self.lived.sum())


def living(x: Tensor, lived: Tensor | None) -> Tensor:
    """Return the entries of `x` `(T, N, …)` of steps that took place, in one row each, or `x` itself if all did."""
    return x if lived is None else x[lived]


class TrialEncoder:
    """The input x_t = φ(s_t, a_{t−1}, r_{t−1}, d_{t−1}) (Sec. 2.2): state, action, raw reward, flag.

    Discrete states and actions are one-hot, and a family with a single state has no state input; continuous ones are
    taken as they are. At t = 0 the action is 0, the reward 0 and the flag 1, as in the first author's environments; the
    last reward and the flag of an episode arrive with the next start state.

    `separate` is that and no more: which state the action was taken in, the network must remember from the input
    before. `transition` (ours, for discrete spaces) says it again: the pair (s_{t−1}, a_{t−1}) one-hot, and the same
    times the reward. It holds no information that `separate` withholds.
    """

    def __init__(self, observation_space: gym.Space, action_space: gym.Space, inputs: str = "separate"):
        self.head = head_for(action_space)
        self.discrete = isinstance(action_space, gym.spaces.Discrete)
        if self.discrete:
            states, self.actions = int(observation_space.n), int(action_space.n)
            self.states = states if states > 1 else 0
        else:
            self.states, self.actions = observation_space.shape[0], action_space.shape[0]
        if inputs == "transition" and not self.discrete:
            raise ValueError("inputs: 'transition' is for discrete states and actions")
        self.pairs = states * self.actions if inputs == "transition" else 0
        self.width = self.states + self.actions + 2 + 2 * self.pairs

    def first_actions(self, trials: int) -> np.ndarray:
        """Return what stands for the action before the first."""
        return np.zeros(trials, np.int64) if self.discrete else np.zeros((trials, self.actions), np.float32)

    def write(
        self,
        x: Tensor,
        states: np.ndarray,
        last_states: np.ndarray | None,
        actions: np.ndarray,
        rewards: np.ndarray,
        flags: np.ndarray,
    ) -> None:
        """Fill `x` `(N, width)`, which must be all zeros, from one entry per trial; at t = 0 there is no last state."""
        first_pair = self.states + self.actions + 2
        if self.discrete:
            rows = torch.arange(len(x))
            if self.states:
                x[rows, torch.from_numpy(states)] = 1.0
            x[rows, torch.from_numpy(actions) + self.states] = 1.0
        else:
            x[:, : self.states] = torch.from_numpy(states)
            x[:, self.states : first_pair - 2] = torch.from_numpy(actions)
        x[:, first_pair - 2] = torch.from_numpy(rewards)
        x[:, first_pair - 1] = torch.from_numpy(flags)
        if self.pairs and last_states is not None:
            pair = torch.from_numpy(last_states * self.actions + actions) + first_pair
            x[rows, pair] = 1.0
            x[rows, pair + self.pairs] = torch.from_numpy(rewards)


def play(
    policy: RecurrentNetwork,
    encoder: TrialEncoder,
    family: TaskFamily,
    tasks: np.ndarray,
    episodes: int,
    rng: np.random.Generator,
    most_probable: bool = False,
) -> Trials:
    """Play one trial of `episodes` episodes in each of `tasks` `(N, task_dim)`; sampled or `most_probable` actions.

    The hidden state starts at zero with the trial and is carried over the ends of its episodes.
    """
    trials, steps = len(tasks), episodes * family.horizon
    envs = family.make(trials)
    envs.set_tasks(tasks)
    states, _ = envs.reset(seed=int(rng.integers(2**63)))
    actor = policy.actor()
    hidden = actor.start(trials)
    inputs = torch.zeros(steps, trials, encoder.width)
    log_probs = torch.empty(steps, trials)
    device = hidden.device
    all_rewards, expected = (np.empty((steps, trials), dtype=np.float32) for _ in range(2))
    last_states, actions = None, encoder.first_actions(trials)
    all_actions = np.empty((steps, *actions.shape), dtype=actions.dtype)
    rewards, flags = np.zeros(trials, np.float32), np.ones(trials, np.float32)
    lived, over = np.ones((steps, trials), dtype=bool), np.zeros(trials, dtype=bool)
    for t in range(steps):
        encoder.write(inputs[t], states, last_states, actions, rewards, flags)
        outputs, hidden = actor.step(inputs[t].to(device), hidden)
        actions, log_probs[t] = encoder.head.sample(outputs.cpu(), rng)
        if most_probable:
            actions = encoder.head.mode(outputs.cpu())
        last_states, lived[t] = states, ~over
        taken = actions if encoder.discrete else np.clip(actions, -1.0, 1.0)
        states, rewards, terminated, truncated, info = envs.step(taken)
        all_actions[t], all_rewards[t], expected[t] = actions, rewards, info.get("expected_reward", rewards)
        over = terminated | truncated
        rewards, flags = rewards.astype(np.float32), over.astype(np.float32)
        if (t + 1) % family.horizon == 0:
            states, _ = envs.reset()
            over = np.zeros(trials, dtype=bool)
    tensors = (tensor.to(device) for tensor in (inputs, torch.from_numpy(all_actions), log_probs))
    mask = None if lived.all() else torch.from_numpy(lived).to(device)
    return Trials(*tensors, all_rewards, expected, mask)


def play_blocks(
    policy: RecurrentNetwork,
    encoder: TrialEncoder,
    family: TaskFamily,
    tasks: np.ndarray,
    episodes: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Play all `tasks` and return the episodes' returns `(tasks, episodes)`; blocks of trials bound the memory.

    Discrete actions are sampled, as in the paper; continuous ones are the policy's means, as other methods are judged.
    """
    steps = episodes * family.horizon
    block = max(1, 500_000 // steps)
    returns = []
    for start in range(0, len(tasks), block):
        some = tasks[start : start + block]
        rewards = play(policy, encoder, family, some, episodes, rng, most_probable=not encoder.discrete).rewards
        returns.append(rewards.reshape(episodes, family.horizon, -1).sum(axis=1).T)
    return np.concatenate(returns)
