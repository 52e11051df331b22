"""Batches of episodes, many in each of many tasks, and the advantages that policy gradients weigh them by."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shared.rl.linear_baseline import linear_values
from shared.rl.returns import discounted_returns, generalized_advantages
from shared.study.errors import StudyError
from shared.tasks.family import TaskFamily, VectorTasks

Array = np.ndarray
MOST = 10  # times as many episodes as were asked for that are played to fill a batch up
Outputs = Callable[[Tensor], Tensor]


class Trajectories(NamedTuple):
    """K episodes in each of N tasks, T steps at most; a task with fewer episodes than others has ones without steps.

    observations `(N, K, T, o)`; actions `(N, K, T, a)` as the policy drew them, before they were clipped; rewards
    `(N, K, T)`, those that are learned from; valid `(N, K, T)`: which steps took place; measures `(N, K)` of episodes,
    NaN where there is none: `return` of the rewards, `dense_return`, `steps`, `clipped` (the share of the actions'
    entries beyond the actuators' range, where a policy is not told that more is in vain), of families with a sparse
    reward `sparse_return` and `solved` (whether the radius was reached), and what the family's `episode_measures` name:
    a step's largest value (`ever`) or the last one (`last`); places `(N, k, T + 1, 2)`: the ways on the ground of the
    first k episodes, those that were asked for, where they start included.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    valid: Tensor
    measures: dict[str, Array]
    places: Array

    @property
    def shares(self) -> Tensor:
        """The share of every step in a mean over tasks of means over their steps, `(N, K, T)`; they add up to 1."""
        counts = self.valid.sum(dim=(1, 2), keepdim=True)
        return self.valid / (counts * len(self.valid))


class Sampler:
    """Plays episodes of a family, with actions in ±`reach` of which the family gets the `reach`-th part, clipped."""

    def __init__(self, family: TaskFamily, reach: float, device: str):
        self.family, self.reach, self.device = family, reach, device
        self._steppers: dict[int, VectorTasks] = {}

    def play(
        self,
        outputs: Outputs,
        tasks: Array,
        episodes: int,
        rng: np.random.Generator,
        sparse: bool,
        by_steps: bool = False,
    ) -> Trajectories:
        """Play `episodes` episodes side by side in each of `tasks` `(N, task_dim)`.

        `outputs` maps observations `(N, episodes, o)` to the policy's `(N, episodes, 2 · a)`. With `sparse` the rewards
        are the family's sparse ones. With `by_steps` an episode that ends is followed by another one, until those that
        have ended in a task have as many steps together as so many whole ones (or are `MOST` times as many); what is
        unfinished then is dropped, as in the code of MAML. A step in which a simulation broke did not take place.
        """
        n, slots = len(tasks), len(tasks) * episodes
        if slots not in self._steppers:
            self._steppers[slots] = self.family.make(slots)
        envs = self._steppers[slots]
        envs.set_tasks(tasks.repeat(episodes, axis=0))
        observation, _ = envs.reset(seed=int(rng.integers(2**63)))
        task = np.arange(slots) // episodes
        lacking, count = np.full(n, episodes * self.family.horizon), np.zeros(n, dtype=int)
        going, length = np.ones(slots, dtype=bool), np.zeros(slots, dtype=int)
        steps, places = [], [envs.positions()]
        while going.any():
            seen = torch.from_numpy(observation.astype(np.float32)).view(n, episodes, -1)
            with torch.no_grad():
                mean, log_std = outputs(seen.to(self.device)).cpu().chunk(2, dim=-1)
            noise = torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32))
            action = mean + log_std.exp() * noise
            done = np.clip(action.flatten(0, 1).numpy() / self.reach, -1, 1)
            observation, reward, terminated, truncated, info = envs.step(done)
            broke = info.get("broken", False)
            over = going & (terminated | truncated)
            steps.append((seen.flatten(0, 1).numpy(), action.flatten(0, 1).numpy(), reward, going & ~broke, over, info))
            places.append(envs.positions())
            length += going
            np.subtract.at(lacking, task[over], length[over])
            np.add.at(count, task[over], 1)
            again = over & ((lacking > 0) & (count < MOST * episodes))[task] & by_steps
            going = (going & ~over & (lacking > 0)[task]) | again
            length[over] = 0
            if again.any():
                observation, _ = envs.reset(options={"reset_mask": again})
        way = np.stack(places[: self.family.horizon + 1], axis=1).reshape(n, episodes, -1, 2)
        return self._joined(steps, way, sparse)

    def _joined(self, steps: list[tuple], places: Array, sparse: bool) -> Trajectories:
        """Cut what `(slots,)` streams did in every step into the episodes that ended."""
        over = np.stack([step[4] for step in steps], axis=1)
        rows, slot, first, length = ended_episodes(over, slots_of_task=places.shape[1])
        times = np.minimum(first[:, None] + np.arange(length.max()), (first + length - 1)[:, None])
        within = np.arange(length.max()) < length[:, None]

        def episodewise(parts: list[Array]) -> Array:
            """Return `(N, K, T, …)` of one array `(slots, …)` per step."""
            return np.stack(parts, axis=1)[slot[:, None], times][rows]

        observations, actions, rewards, valid, _, infos = zip(*steps, strict=True)
        there = (rows >= 0)[:, :, None]
        valid, dense, acted = episodewise(valid) & within[rows] & there, episodewise(rewards), episodewise(actions)
        count, beyond = valid.sum(axis=2), (np.abs(acted) > self.reach).mean(axis=3)
        measures = {
            "steps": count.astype(float),
            "dense_return": (dense * valid).sum(axis=2),
            "clipped": (beyond * valid).sum(axis=2) / np.maximum(count, 1),
        }
        learned = dense
        if "sparse_reward" in infos[0]:
            paid = episodewise([info["sparse_reward"] for info in infos])
            inside = episodewise([info.get("inside", info["sparse_reward"] > 0) for info in infos])
            measures |= {"sparse_return": (paid * valid).sum(axis=2), "solved": (inside * valid).max(axis=2)}
            learned = paid if sparse else dense
        elif sparse:
            raise StudyError(f"hyper-parameter 'test_sparse': {type(self.family).__name__} pays no sparse rewards")
        last = np.maximum(count[:, :, None] - 1, 0)
        for name, which in getattr(self.family, "episode_measures", {}).items():
            seen = episodewise([info[name] for info in infos]) * valid
            measures[name] = seen.max(axis=2) if which == "ever" else np.take_along_axis(seen, last, axis=2)[:, :, 0]
        measures["return"] = (learned * valid).sum(axis=2)
        return Trajectories(
            torch.from_numpy(episodewise(observations)).to(self.device),
            torch.from_numpy(acted).to(self.device),
            torch.from_numpy((learned * valid).astype(np.float32)).to(self.device),
            torch.from_numpy(valid).to(self.device),
            {name: np.where(rows >= 0, values, np.nan) for name, values in measures.items()},
            places,
        )


def ended_episodes(over: Array, slots_of_task: int) -> tuple[Array, Array, Array, Array]:
    """Find the episodes that ended in streams of episodes, one stream after another.

    `over` `(N · slots_of_task, steps)` says in which step of a stream an episode ended. Returns `rows` `(N, K)`: the
    numbers of each task's episodes, those first with which streams begin, −1 where a task has no more; and of all
    episodes the stream, the first step, and the length, `(E,)` each.
    """
    slot, end = np.nonzero(over)
    begins = np.r_[True, slot[1:] != slot[:-1]]
    first = np.where(begins, 0, np.r_[0, end[:-1] + 1])
    task = slot // slots_of_task
    order = np.lexsort((slot, end * ~begins, task))  # by task, then the first of all streams, then as they ended
    counts = np.bincount(task, minlength=len(over) // slots_of_task)
    rows = np.full((len(counts), counts.max()), -1)
    rows[np.arange(counts.max()) < counts[:, None]] = order
    return rows, slot, first, end - first + 1


class Advantages(NamedTuple):
    """Of steps `(N, K, T)` and of whole episodes `(N, K)`, normalised within each task.

    `excess` `(N, K, T)`: what every step earned beyond the baseline's expectation, γ^t (r_t + γ V_{t+1} − V_t), in
    the units in which the advantages of the task's steps have standard deviation 1.
    """

    steps: Tensor
    episodes: Tensor
    excess: Tensor


def advantages(played: Trajectories, discount: float, gae_lambda: float) -> Advantages:
    """Return the advantages of `played`, against a linear baseline that is fitted to each task's batch.

    Those of episodes are those of their first steps: discounted returns minus the baseline at the start.
    """
    device, valid = played.rewards.device, played.valid
    rewards = played.rewards.double()
    time_first = rewards.permute(2, 0, 1).cpu().numpy()
    returns = torch.from_numpy(discounted_returns(time_first, discount)).permute(1, 2, 0).to(device)
    values = linear_values(played.observations, returns, valid)
    raw = generalized_advantages(time_first, values.permute(2, 0, 1).cpu().numpy(), 0.0, discount, gae_lambda)
    raw = torch.from_numpy(raw).permute(1, 2, 0).to(device)
    after = torch.cat([values[:, :, 1:], torch.zeros_like(values[:, :, :1])], dim=2)
    powers = discount ** torch.arange(values.shape[2], dtype=values.dtype, device=device)
    excess = powers * (rewards + discount * after - values) * valid
    spread = deviation(raw.flatten(1), valid.flatten(1))[:, None]
    first = raw[:, :, 0]
    return Advantages(
        steps=normalised(raw.flatten(1), valid.flatten(1)).view(raw.shape),
        episodes=normalised(first, valid[:, :, 0]),
        excess=(excess / (spread + 1e-8)).float(),
    )


def normalised(x: Tensor, valid: Tensor) -> Tensor:
    """Return rows `x` `(N, S)` with mean 0 and standard deviation 1 over what is `valid`, as float32; 0 elsewhere."""
    return (centred(x, valid) / (deviation(x, valid) + 1e-8)).float()


def centred(x: Tensor, valid: Tensor) -> Tensor:
    """Return rows `x` `(N, S)` minus their mean over what is `valid`; 0 elsewhere."""
    return (x - (x * valid).sum(dim=1, keepdim=True) / valid.sum(dim=1, keepdim=True)) * valid


def deviation(x: Tensor, valid: Tensor) -> Tensor:
    """Return the standard deviation `(N, 1)` of rows `x` `(N, S)` over what is `valid`."""
    return (centred(x, valid).square().sum(dim=1, keepdim=True) / valid.sum(dim=1, keepdim=True)).sqrt()
