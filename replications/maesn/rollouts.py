"""Batches of episodes, many in each of many tasks, and the advantages that policy gradients weigh them by."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shared.rl.linear_baseline import linear_values
from shared.rl.returns import discounted_returns, generalized_advantages
from shared.tasks.family import TaskFamily, VectorTasks

Array = np.ndarray
Outputs = Callable[[Tensor], Tensor]


class Trajectories(NamedTuple):
    """K episodes in each of N tasks, T steps at most.

    observations `(N, K, T, o)`; actions `(N, K, T, a)` as the policy drew them, before they were clipped; rewards
    `(N, K, T)`, those that are learned from; valid `(N, K, T)`: which steps took place; measures `(N, k)` of the first
    k episodes of each task, those that were asked for: `return` of the rewards, `dense_return`, `steps`, of families
    with a sparse reward `sparse_return` and `solved` (whether the radius was reached), and what the family's
    `episode_measures` name: a step's largest value (`ever`) or the last one (`last`); places `(N, k, T + 1, 2)`: their
    ways on the ground, where they start included.
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
        """Play `episodes` episodes in each of `tasks` `(N, task_dim)`.

        `outputs` maps observations `(N, episodes, o)` to the policy's `(N, episodes, 2 · a)`. With `sparse` the rewards
        are the family's sparse ones. With `by_steps`, where episodes ended early, more of them are played until a task
        has about as many steps as in `episodes` whole ones, as in the code of MAML: they are learned from and not
        measured. A step in which a simulation broke did not take place.
        """
        asked = np.ones((len(tasks), episodes), dtype=bool)
        rounds = [self._round(outputs, tasks, asked, rng, sparse)]
        steps, count = rounds[0].valid.sum(dim=(1, 2)).numpy(), np.full(len(tasks), episodes)
        while by_steps:
            lacking = np.rint((episodes * self.family.horizon - steps) * count / np.maximum(steps, 1))
            asked = np.arange(episodes) < lacking[:, None]
            if not asked.any():
                break
            rounds.append(self._round(outputs, tasks, asked, rng, sparse))
            steps, count = steps + rounds[-1].valid.sum(dim=(1, 2)).numpy(), count + asked.sum(axis=1)
        joined = rounds[0] if len(rounds) == 1 else one_after_another(rounds)
        return joined._replace(**{name: getattr(joined, name).to(self.device) for name in joined._fields[:4]})

    def _round(
        self, outputs: Outputs, tasks: Array, asked: Array, rng: np.random.Generator, sparse: bool
    ) -> Trajectories:
        """Play the episodes that are `asked` for, `(N, K)`, side by side; the others have no steps."""
        n, episodes = asked.shape
        if asked.size not in self._steppers:
            self._steppers[asked.size] = self.family.make(asked.size)
        envs = self._steppers[asked.size]
        envs.set_tasks(tasks.repeat(episodes, axis=0))
        going = asked.flatten()
        observation, _ = envs.reset(seed=int(rng.integers(2**63)), options={"reset_mask": going})
        steps, places = [], [envs.positions()]
        for _ in range(self.family.horizon):
            seen = torch.from_numpy(observation.astype(np.float32)).view(n, episodes, -1)
            with torch.no_grad():
                mean, log_std = outputs(seen.to(self.device)).cpu().chunk(2, dim=-1)
            noise = torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32))
            action = mean + log_std.exp() * noise
            done = np.clip(action.flatten(0, 1).numpy() / self.reach, -1, 1)
            observation, reward, terminated, truncated, info = envs.step(done)
            broke = going & info["broken"] if "broken" in info else np.zeros(len(going), dtype=bool)
            steps.append((seen, action, reward, going & ~broke, info))
            places.append(envs.positions())
            going = going & ~(terminated | truncated)
            if not going.any():
                break
        way = np.stack(places, axis=1).reshape(n, episodes, -1, 2)
        return self._joined(steps, way, sparse)

    def _joined(self, steps: list[tuple], places: Array, sparse: bool) -> Trajectories:
        n, episodes = places.shape[:2]

        def episodewise(parts: list[Array]) -> Array:
            return np.stack(parts, axis=-1).reshape(n, episodes, -1)

        observations, actions, rewards, valid, infos = zip(*steps, strict=True)
        valid, dense = episodewise(valid), episodewise(rewards)
        measures = {"steps": valid.sum(axis=2).astype(float), "dense_return": (dense * valid).sum(axis=2)}
        learned = dense
        if "sparse_reward" in infos[0]:
            paid = episodewise([info["sparse_reward"] for info in infos])
            inside = episodewise([info.get("inside", info["sparse_reward"] > 0) for info in infos])
            measures |= {"sparse_return": (paid * valid).sum(axis=2), "solved": (inside * valid).max(axis=2)}
            learned = paid if sparse else dense
        last = np.maximum(valid.sum(axis=2, keepdims=True) - 1, 0)
        for name, which in getattr(self.family, "episode_measures", {}).items():
            seen = episodewise([info[name] for info in infos]) * valid
            measures[name] = seen.max(axis=2) if which == "ever" else np.take_along_axis(seen, last, axis=2)[:, :, 0]
        measures["return"] = (learned * valid).sum(axis=2)
        return Trajectories(
            torch.stack(observations, dim=2),
            torch.stack(actions, dim=2),
            torch.from_numpy((learned * valid).astype(np.float32)),
            torch.from_numpy(valid),
            measures,
            places,
        )


def one_after_another(rounds: list[Trajectories]) -> Trajectories:
    """Join rounds of episodes of the same tasks, without those that have no steps; measures are the first round's.

    Tasks with fewer episodes than others have episodes without steps at their end.
    """
    longest = max(played.valid.shape[2] for played in rounds)

    def padded(part: Tensor) -> Tensor:
        return torch.cat([part, part.new_zeros(*part.shape[:2], longest - part.shape[2], *part.shape[3:])], dim=2)

    parts = zip(*(played[:4] for played in rounds), strict=True)
    tensors = [torch.cat([padded(part) for part in tensor], dim=1) for tensor in parts]
    took_place = tensors[3].any(dim=2)
    order = torch.sort(~took_place, dim=1, stable=True).indices[:, : int(took_place.sum(dim=1).max())]
    rows = torch.arange(len(order))[:, None]
    return Trajectories(*(tensor[rows, order] for tensor in tensors), rounds[0].measures, rounds[0].places)


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
