"""The networks of DREAM and its neighbours (Liu et al. 2021), with the sizes of the authors' code.

Shapes: T steps of N sequences side by side, time first. Weights start as PyTorch draws them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from replications.dream.problems import ProblemFamily
from replications.dream.views import Rays

Memory = tuple[Tensor, Tensor]
Embed = Callable[[int], nn.Module]  # makes a network from `Distinct` things to so many numbers


class Distinct(NamedTuple):
    """Things that are seen, many of them the same: the distinct ones `(U, …)`, and which is where `(…)`.

    A grid has few states, and a batch sees them again and again. Each is embedded once.
    """

    values: Tensor
    where: Tensor

    @classmethod
    def of(cls, codes: np.ndarray, seen: Callable[[np.ndarray], np.ndarray], device: str = "cpu") -> "Distinct":
        """Return what the numbers `codes` `(…)` stand for: what is `seen` of the distinct ones."""
        distinct, where = np.unique(codes, return_inverse=True)
        things = torch.from_numpy(seen(distinct)).to(device)
        return cls(things, torch.from_numpy(where.reshape(codes.shape)).to(device))


class GridEmbedder(nn.Module):
    """Vectors of integers to `outputs` numbers: a table for every component, a ReLU layer, a linear one."""

    def __init__(self, sizes: Sequence[int], outputs: int = 64, table: int = 32, hidden: int = 256):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, table) for size in sizes)
        self.layers = nn.Sequential(nn.Linear(table * len(sizes), hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    def forward(self, vectors: Distinct) -> Tensor:
        """Return the embeddings `(…, outputs)`."""
        parts = [table(component) for table, component in zip(self.tables, vectors.values.unbind(1), strict=True)]
        return functional.embedding(vectors.where, self.layers(torch.cat(parts, dim=1)))


class RayEmbedder(nn.Module):
    """What rays tell of a room to `outputs` numbers: one hidden layer, as wide as that of the grid worlds."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, outputs))

    def forward(self, rays: Distinct) -> Tensor:
        """Return the embeddings `(…, outputs)` of values `(U, inputs)`."""
        return functional.embedding(rays.where, self.layers(rays.values))


class ImageEmbedder(nn.Module):
    """Colour images of 60 by 80 pixels to `outputs` numbers: the convolutions of the authors' code."""

    def __init__(self, outputs: int):
        super().__init__()
        layers = [(3, 5), (32, 5), (32, 4)]  # channels in, and kernel
        convolutions = [part for inputs, size in layers for part in (nn.Conv2d(inputs, 32, size, 2), nn.ReLU())]
        self.layers = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(1120, outputs))

    def forward(self, images: Distinct) -> Tensor:
        """Return the embeddings `(…, outputs)` of values `(U, 60, 80, 3)`, bytes; columns are first, as there."""
        pixels = images.values.permute(0, 3, 2, 1).to(torch.float32) / 255
        return functional.embedding(images.where, self.layers(pixels))


def embedder(family: ProblemFamily) -> Embed:
    """Return what makes networks that take in what is seen of the states of `family`."""
    makers = {
        "integers": partial(GridEmbedder, family.state_sizes),
        "rays": partial(RayEmbedder, Rays.columns * Rays.features),
        "images": ImageEmbedder,
    }
    return makers[family.sight]


class DuelingHead(nn.Module):
    """Action values as a state value and advantages whose mean is zero (Wang et al. 2016).

    The authors' code takes the mean over the whole batch. We take it over the actions, as its source does.
    """

    def __init__(self, inputs: int, actions: int):
        super().__init__()
        self.value, self.advantages = nn.Linear(inputs, 1), nn.Linear(inputs, actions)

    def forward(self, x: Tensor) -> Tensor:
        """Return action values `(…, actions)` of inputs `(…, inputs)`."""
        advantages = self.advantages(x)
        return self.value(x) + advantages - advantages.mean(dim=-1, keepdim=True)


class ExplorationQ(nn.Module):
    """Action values while exploring: a memory of states and actions. Neither goals nor rewards are seen (App. B)."""

    def __init__(self, embed: Embed, actions: int, width: int, memory: int = 64):
        super().__init__()
        self.states, self.actions = embed(width), nn.Embedding(actions + 1, 16)
        self.layer, self.memory = nn.Linear(width + 16, width), nn.LSTM(width, memory)
        self.head = DuelingHead(memory, actions)

    def forward(self, states: Distinct, before: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Return action values `(T, N, actions)` and the memory thereafter.

        `before` `(T, N)` are the actions that led to `states`; `actions`, one more than there are, at the beginning.
        """
        seen = torch.relu(torch.cat([self.states(states), self.actions(before)], dim=-1))
        recalled, memory = self.memory(self.layer(seen), memory)
        return self.head(recalled), memory


class ExploitationQ(nn.Module):
    """Action values while exploiting, told a goal and the latent z of the problem (App. B).

    With a memory, z joins what it recalls of states and goals; without, the present state and goal alone (the authors'
    first release). States are embedded in `width` numbers, and so wide is the memory.
    """

    def __init__(self, embed: Embed, goals: Sequence[int], actions: int, latent: int, recurrent: bool, width: int):
        super().__init__()
        self.states, self.goals, self.recurrent = embed(width), GridEmbedder(goals), recurrent
        if recurrent:
            self.layer, self.memory = nn.Linear(width + 64, width), nn.LSTM(width, width)
        told = (width if recurrent else width + 64) + latent
        self.layers = nn.Sequential(nn.Linear(told, 256), nn.ReLU(), nn.Linear(256, 64), DuelingHead(64, actions))

    def forward(
        self, states: Distinct, goals: Distinct, z: Tensor, memory: Memory | None = None
    ) -> tuple[Tensor, Memory | None]:
        """Return action values `(T, N, actions)` and the memory thereafter, for `goals` `(N,)` and z `(T, N, latent)`.

        Without a memory there is none to return.
        """
        seen = self.states(states)
        seen = torch.cat([seen, self.goals(goals).expand(*seen.shape[:2], -1)], dim=-1)
        if self.recurrent:
            seen, memory = self.memory(self.layer(torch.relu(seen)), memory)
        return self.layers(torch.cat([seen, z], dim=-1)), memory


class ProblemEncoder(nn.Module):
    """f_ψ(µ), the mean of the latent z of problem µ."""

    def __init__(self, problems: int, latent: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Embedding(problems, 32), nn.Linear(32, latent))

    def forward(self, problems: Tensor) -> Tensor:
        """Return f_ψ `(N, latent)` of `problems` `(N,)`."""
        return self.layers(problems)


class TrajectoryDecoder(nn.Module):
    """g_ω(τ), what a trajectory of exploration says of z."""

    def __init__(self, embed: Embed, actions: int, latent: int, memory: int = 128):
        super().__init__()
        self.states, self.actions = embed(64), nn.Embedding(actions, 32)
        self.transitions = nn.Sequential(nn.Linear(64 + 64 + 32, 128), nn.ReLU(), nn.Linear(128, 64))
        self.memory = nn.LSTM(64, memory)
        self.layers = nn.Sequential(nn.Linear(memory, 128), nn.ReLU(), nn.Linear(128, latent))

    def forward(self, states: Distinct, actions: Tensor) -> Tensor:
        """Return g_ω of every beginning of trajectories, the empty one first: `(T + 1, N, latent)`.

        `states` `(T + 1, N)` are all that were seen, `actions` `(T, N)` those in between.
        """
        seen = self.states(states)
        transitions = self.transitions(torch.cat([seen[:-1], seen[1:], self.actions(actions)], dim=-1))
        recalled, _ = self.memory(transitions)
        nothing = recalled.new_zeros(1, *recalled.shape[1:])
        return self.layers(torch.cat([nothing, recalled]))
