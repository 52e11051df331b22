"""DREAM's visual navigation (Liu et al. 2021, Sec. 6): go to the box or the key of the colour that a sign tells.

Rooms, things, moves and contacts are those of MiniWorld's `Sign`, on arrays and on whole centimetres. The sign hangs
behind a barrier; going there takes up to ten steps, which earn nothing.
"""

from typing import Literal

import numpy as np

from replications.dream.problems import ProblemFamily, VectorTrials
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
        self.sight = view
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


class VectorSignRooms(VectorTrials):
    """Trials of `SignRoom`."""

    def __init__(self, num_envs: int, family: SignRoom):
        super().__init__(num_envs, family)
        self.places = np.full((num_envs, 2), METRE * START_LOW, dtype=np.int64)
        self.headings = np.zeros(num_envs, dtype=np.int64)

    def clear(self, mask: Array) -> None:
        """Put agents where their episodes start."""
        self.places[mask], self.headings[mask] = self.starts[mask, :2], self.starts[mask, 2]

    def act(self, actions: Array, going: Array) -> tuple[Array, Array]:
        """Turn or move, where no wall is in the way; touching a thing pays or costs, and ends the episode."""
        turns = TURN * ((actions == LEFT).astype(int) - (actions == RIGHT))
        self.headings = np.where(going, (self.headings + turns) % HEADINGS, self.headings)
        ahead = np.rint(self.places + METRE * STRIDE * directions(self.headings)).astype(np.int64)
        moves = going & (actions == FORWARD) & ~hits_wall(ahead / METRE)
        self.places = np.where(moves[:, None], ahead, self.places)
        touched = np.linalg.norm(self.places[:, None] / METRE - OBJECTS, axis=2) < REACH
        right = (np.arange(len(OBJECTS)) % 3 == self.problems[:, None]) & (self.goals == SHAPES)
        contact = touched.any(axis=1)
        rewards = np.where(contact, np.where((touched & right).any(axis=1), 1.0, -1.0), 0.0)
        return rewards, contact | (actions == END)

    def observe(self) -> Array:
        """Return the pose, what the sign says where it is in view, and the goal."""
        seen = sign_in_view(self.places / METRE, self.headings, self.problems)
        signs = np.where(seen, 1 + self.problems, 0)
        return np.stack([*self.places.T, self.headings, signs, *self.goals.T], axis=1)


def hits_wall(places: Array) -> Array:
    """Return at which `places` `(N, 2)`, in metres, an agent would touch a wall, `(N,)`."""
    start, edge = WALLS[:, 0], WALLS[:, 1] - WALLS[:, 0]
    from_start = places[:, None] - start
    along = np.clip((from_start * edge).sum(axis=-1) / (edge**2).sum(axis=-1), 0, 1)
    return (np.linalg.norm(from_start - along[..., None] * edge, axis=-1) < RADIUS).any(axis=1)
