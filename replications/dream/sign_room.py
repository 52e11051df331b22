"""DREAM's visual navigation (Liu et al. 2021, Sec. 6): go to the box or the key of the colour that a sign tells.

Rooms, things, moves and contacts are those of MiniWorld's `Sign`, on arrays and on whole centimetres. The sign hangs
behind a barrier; going there takes up to ten steps, which earn nothing.
"""

from typing import Literal

import numpy as np

from replications.dream.problems import ProblemFamily
from replications.dream.views import (
    COLOURS,
    HEADINGS,
    LOWER,
    METRE,
    OBJECTS,
    RADII,
    SHAPES,
    WALLS,
    Images,
    Rays,
    directions,
    painter,
    sign_in_view,
)
from shared.tasks.family import VectorTasks

Array = np.ndarray

LEFT, RIGHT, FORWARD, END = range(4)
STRIDE, TURN, RADIUS = 0.7, HEADINGS // 8, 0.4
REACH = RADII + RADIUS + 1.1 * STRIDE  # nearer than this to the middle of a thing is touching it
START_LOW, START_HIGH = np.array([3.6, 3.6]), np.array([5.4, 6.4])  # x, z


class SignRoom(ProblemFamily):
    """Three problems, the colours that the sign may tell; a goal is a shape, box or key. None is held out.

    A state is a pose, see `views`; learners see `rays` or `images`. Touching a thing ends an episode: that earns 1 for
    the right colour and shape, -1 else. Nothing else earns anything. The task vector is `(problem, goal, goal, x, z,
    heading, x, z, heading)`: each episode starts somewhere else.
    """

    problems, actions, horizon = len(COLOURS), 4, 20
    state_sizes = (10 * METRE + 1, 13 * METRE + 1, HEADINGS, 1 + len(COLOURS))
    goal_sizes = (2,)
    width, start_dim = 128, 3

    def __init__(self, view: Literal["rays", "images"] = "rays"):
        views = {"rays": Rays, "images": Images}
        if view not in views:
            raise ValueError(f"view must be 'rays' or 'images', got {view!r}")
        super().__init__()
        self.view = views[view]()
        self.embedder = self.view.embedder
        self.train_ids = self.test_ids = np.arange(self.problems)

    def seen(self, codes: Array) -> Array:
        """Return the views from the poses whose numbers are `codes` `(U,)`."""
        return self.view.seen(super().seen(codes))

    def draw_goal(self, problem: int, generator: np.random.RandomState) -> Array:
        """Draw a shape."""
        return np.array([generator.randint(2)])

    def draw_starts(self, trial: int) -> Array:
        """Draw poses in the upper room: x, z and heading."""
        low, high = np.array([[*START_LOW, 0], [*START_HIGH, 1]]) * [METRE, METRE, HEADINGS]
        return np.floor(self.seeded([trial, 1]).uniform(low, high, size=(2, 3)))

    def measures(self, tasks: Array, codes: Array, actions: Array, valid: Array) -> dict[str, Array]:
        """Return whether the sign was in view from one of the lower rooms."""
        _, z, _, signs = np.unravel_index(codes, self.state_sizes)
        seen = (signs > 0) & (z > METRE * LOWER)
        return {"sign_read": (seen[0] | (seen[1:] & valid).any(axis=0)).astype(float)}

    def make(self, num_envs: int) -> "VectorSignRooms":
        """Return a stepper for `num_envs` trials; raise `ValueError` where images cannot be drawn."""
        if isinstance(self.view, Images):
            painter()
        return VectorSignRooms(num_envs, self)


class VectorSignRooms(VectorTasks):
    """`num_envs` trials; the first episode after `set_tasks` has one goal and start, later ones the others."""

    def __init__(self, num_envs: int, family: SignRoom):
        super().__init__(num_envs, family.observation_space, family.action_space)
        self.family = family
        self.problems, self._clock = np.zeros((2, num_envs), dtype=np.int64)
        self._goals, self._starts = np.zeros((num_envs, 2), dtype=np.int64), np.zeros((num_envs, 2, 3), dtype=np.int64)
        self._episodes = np.full(num_envs, -1)
        self._over = np.ones(num_envs, dtype=bool)
        self.places = np.full((num_envs, 2), METRE * START_LOW, dtype=np.int64)
        self.headings = np.zeros(num_envs, dtype=np.int64)

    def set_tasks(self, tasks: Array) -> None:
        """Set the trials `(num_envs, 9)`; raise `ValueError` for problems, goals and poses that there are not."""
        tasks = self.checked_tasks(tasks, self.family.task_dim)
        numbers = tasks.astype(np.int64)
        limits = np.array([self.family.problems, *self.family.goal_sizes * 2, *self.family.state_sizes[:3] * 2])
        if (numbers != tasks).any() or (numbers < 0).any() or (numbers >= limits).any():
            raise ValueError(f"a trial is integers from 0 to below {tuple(int(n) for n in limits)}")
        self.problems, self._goals = numbers[:, 0], numbers[:, 1:3]
        self._starts = numbers[:, 3:].reshape(self.num_envs, 2, 3)
        self._episodes[:] = -1

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Array, dict]:
        """Start the next episode in the trials that `options["reset_mask"]` names."""
        mask = self.checked_mask((options or {}).get("reset_mask"))
        self._episodes[mask] += 1
        starts = self._starts[np.arange(self.num_envs), np.clip(self._episodes, 0, 1)]
        self.places[mask], self.headings[mask] = starts[mask, :2], starts[mask, 2]
        self._clock[mask] = 0
        self._over[mask] = False
        return self._observe(), {}

    @property
    def goals(self) -> Array:
        """Shapes that the present episodes ask for, `(N,)`."""
        return self._goals[np.arange(self.num_envs), np.clip(self._episodes, 0, 1)]

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict]:
        """Take `actions[i]` in trial i; finished episodes stand still and earn nothing.

        `terminated`: a thing was touched, or the agent ended the episode. `truncated`: its time is over.
        """
        actions, going = self.checked_actions(actions), ~self._over
        self._clock += going
        turns = TURN * ((actions == LEFT).astype(int) - (actions == RIGHT))
        self.headings = np.where(going, (self.headings + turns) % HEADINGS, self.headings)
        ahead = np.rint(self.places + METRE * STRIDE * directions(self.headings)).astype(np.int64)
        moves = going & (actions == FORWARD) & ~hits_wall(ahead / METRE)
        self.places = np.where(moves[:, None], ahead, self.places)
        touched = np.linalg.norm(self.places[:, None] / METRE - OBJECTS, axis=2) < REACH
        right = (np.arange(len(OBJECTS)) % 3 == self.problems[:, None]) & (self.goals[:, None] == SHAPES)
        contact = touched.any(axis=1)
        rewards = np.where(contact, np.where((touched & right).any(axis=1), 1.0, -1.0), 0.0)
        terminated = going & (contact | (actions == END))
        truncated = going & ~terminated & (self._clock >= self.family.horizon)
        self._over |= terminated | truncated
        return self._observe(), np.where(going, rewards, 0.0), terminated, truncated, {}

    def _observe(self) -> Array:
        seen = sign_in_view(self.places / METRE, self.headings, self.problems)
        signs = np.where(seen, 1 + self.problems, 0)
        return np.stack([*self.places.T, self.headings, signs, self.goals], axis=1)


def hits_wall(places: Array) -> Array:
    """Return at which `places` `(N, 2)`, in metres, an agent would touch a wall, `(N,)`."""
    start, edge = WALLS[:, 0], WALLS[:, 1] - WALLS[:, 0]
    from_start = places[:, None] - start
    along = np.clip((from_start * edge).sum(axis=-1) / (edge**2).sum(axis=-1), 0, 1)
    return (np.linalg.norm(from_start - along[..., None] * edge, axis=-1) < RADIUS).any(axis=1)
