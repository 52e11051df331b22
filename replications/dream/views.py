"""The room with a sign of DREAM's visual navigation (Liu et al. 2021, Sec. 6), and two views of it.

`Images` are those of the paper, drawn by MiniWorld, an optional package. `Rays` are a surrogate that needs no graphics:
twenty directions, and for each how near something is and what it is.

A pose is four integers: x and z in centimetres, the heading in steps of 5 degrees (0 along x, a quarter turn to the
left of it along -z, as in MiniWorld), and what the sign in view says: 0 where it is not in view, else 1 + its colour.
"""

import sys
from abc import ABC, abstractmethod
from functools import cache, lru_cache
from typing import Any

import numpy as np

Array = np.ndarray

METRE = 100  # in the units of places
HEADINGS = 72
COLOURS = ("blue", "red", "green")  # of boxes, of keys, and of the sign's words
OBJECTS = np.array([(1, 1), (9, 1), (9, 5), (5, 1), (1, 5), (1, 9)], dtype=float)  # x, z: three boxes, three keys
SHAPES = np.repeat([0, 1], 3)  # box, key
RADII = np.where(SHAPES == 0, 0.8 / 2**0.5, 0.7355467)  # as MiniWorld has them; keys lie in wide circles
SEEN_RADII = np.where(SHAPES == 0, 0.45, 0.3)
SIGN, SIGN_HEIGHT = (10.0, 10.25), 1.35
HALVES = np.array([len(colour) for colour in COLOURS]) / 2  # of the sign's length: a letter is as wide as it is high
WALLS = np.array(
    [
        *(((10, 0), (10, 6.5)), ((0, 0), (10, 0)), ((0, 6.5), (0, 0)), ((10, 6.5), (6, 6.5))),
        *(((0, 13), (0, 6.75)), ((6, 13), (0, 13)), ((10, 6.75), (10, 13)), ((6, 6.75), (10, 6.75))),
        *(((10, 13), (6, 13)), ((6, 6.5), (6, 6.75)), ((0, 6.75), (0, 6.5))),
    ]
)  # (walls, ends, x and z): an upper room, two lower ones that are joined, and a way down on the left
LOWER = 6.75  # z from which on it is one of the lower rooms
WIDTH, HEIGHT, FIELD_OF_VIEW = 80, 60, 60  # pixels, and degrees from top to bottom
HALF_WIDTH = np.tan(np.radians(FIELD_OF_VIEW / 2)) * WIDTH / HEIGHT  # of what is seen a metre ahead


def directions(headings: Array) -> Array:
    """Return unit vectors `(…, 2)` in x and z of `headings` `(…)`, in steps or parts of them."""
    angles = 2 * np.pi / HEADINGS * headings
    return np.stack([np.cos(angles), -np.sin(angles)], axis=-1)


def wall_distances(places: Array, rays: Array) -> Array:
    """Return how far it is to the nearest wall, `(N, R)`, from `places` `(N, 2)` along unit vectors `(N, R, 2)`."""
    start, edge = WALLS[:, 0], WALLS[:, 1] - WALLS[:, 0]
    towards = start - places[:, None]
    across = _cross(rays[:, :, None], edge)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = _cross(towards, edge)[:, None] / across
        along = _cross(towards[:, None], rays[:, :, None]) / across
    hit = (far > 0) & (along > -1e-9) & (along < 1 + 1e-9)
    return np.where(hit, far, np.inf).min(axis=2)


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def sign_in_view(places: Array, headings: Array, colours: Array) -> Array:
    """Return who has a part of the sign in view, `(N,)`: ahead, within the field of view, and behind no wall.

    `places` `(N, 2)` in metres; the sign's word is that of its colour, of `colours` `(N,)`.
    """
    part = np.linspace(-HALVES.max(), HALVES.max(), 21)
    there = np.stack([np.full_like(part, SIGN[0]), SIGN[1] + part], axis=-1)
    towards = there - places[:, None]
    far = np.linalg.norm(towards, axis=-1)
    forward = directions(headings)[:, None]
    ahead, aside = (towards * forward).sum(axis=-1), np.abs(_cross(forward, towards))
    clear = wall_distances(places, towards / far[..., None]) > far - 1e-6
    return ((aside < HALF_WIDTH * ahead) & clear & (np.abs(part) <= HALVES[colours, None])).any(axis=1)


class View(ABC):
    """What is seen from a pose."""

    @abstractmethod
    def seen(self, poses: Array) -> Array:
        """Return what is seen from `poses` `(N, 4)`."""


class Rays(View):
    """Twenty directions side by side: nearness 1/(1 + metres), three colours, box, key, sign: `(N, 140)`.

    The sign has the colour that it says. Who is not in one of the lower rooms does not see it: even its length tells.
    """

    columns, features = 20, 7

    def __init__(self):
        offsets = HALF_WIDTH * (2 * (np.arange(self.columns) + 0.5) / self.columns - 1)
        self.turns = np.arctan(offsets) * HEADINGS / (2 * np.pi)  # to the right

    def seen(self, poses: Array) -> Array:
        """Return the nearest thing in every direction."""
        places, headings, signs = poses[:, :2] / METRE, poses[:, 2], poses[:, 3]
        rays = directions(headings[:, None] - self.turns)
        wall = wall_distances(places, rays)
        towards = OBJECTS - places[:, None]
        along = rays @ towards.transpose(0, 2, 1)
        inside = SEEN_RADII**2 - ((towards**2).sum(axis=-1)[:, None] - along**2)
        objects = np.where((along > 0) & (inside > 0), along - np.sqrt(np.maximum(inside, 0)), np.inf)
        nearest, distance = objects.argmin(axis=2), objects.min(axis=2)
        is_object = distance < wall
        far = np.where(is_object, distance, wall)
        hits = places[:, None] + far[..., None] * rays
        word = np.maximum(signs - 1, 0)
        on_wall = (hits[..., 0] > SIGN[0] - 1e-6) & (np.abs(hits[..., 1] - SIGN[1]) < HALVES[word, None])
        is_sign = ~is_object & on_wall & ((signs > 0) & (places[:, 1] > LOWER))[:, None]
        colour = np.where(is_object, nearest % 3, word[:, None])
        features = np.zeros((*far.shape, self.features), dtype=np.float32)
        features[..., 0] = 1 / (1 + far)
        for number in range(3):
            features[..., 1 + number] = (is_object | is_sign) & (colour == number)
        features[..., 4] = is_object & (SHAPES[nearest] == 0)
        features[..., 5] = is_object & (SHAPES[nearest] == 1)
        features[..., 6] = is_sign
        return features.reshape(len(poses), -1)


class Images(View):
    """Colour images `(N, 60, 80, 3)` of bytes, drawn by MiniWorld; the last 50,000 are kept, others drawn again."""

    def __init__(self):
        self._image = lru_cache(maxsize=50_000)(lambda *pose: painter().paint(*pose))

    def seen(self, poses: Array) -> Array:
        """Return the images; raise `ValueError` as `painter` does."""
        images = np.empty((len(poses), HEIGHT, WIDTH, 3), dtype=np.uint8)
        for row in np.argsort(poses[:, 3], kind="stable"):  # to hang up another sign takes time
            images[row] = self._image(*poses[row].tolist())
        return images


class Painter:
    """MiniWorld's room, with the sign that a pose asks for.

    Its boxes and keys, which it turns at random in every episode, are turned the same way in all.
    """

    def __init__(self):
        import pyglet

        pyglet.options["headless"] = sys.platform == "linux"
        import gymnasium as gym
        from miniworld.entity import TextFrame

        self.world: Any = gym.make("MiniWorld-Sign-v0").unwrapped
        self.world.reset(seed=0)
        self.things = [thing for thing in self.world.entities if not isinstance(thing, TextFrame)]
        place = [SIGN[0], SIGN_HEIGHT, SIGN[1]]
        self.signs = [TextFrame(pos=place, dir=np.pi, str=word.upper(), height=1) for word in ("", *COLOURS)]
        for sign in self.signs:
            sign.randomize(self.world.params, None)
        self.shown: int | None = None

    def paint(self, x: int, z: int, heading: int, sign: int) -> Array:
        """Return the image from a pose."""
        if sign != self.shown:
            self.world.entities, self.shown = [*self.things, self.signs[sign]], sign
            self.world._render_static()
        self.world.agent.pos = np.array([x / METRE, 0, z / METRE])
        self.world.agent.dir = 2 * np.pi / HEADINGS * heading
        return self.world.render_obs()


@cache
def painter() -> Painter:
    """Return the one painter of this process: worlds share what they draw with.

    Raises `ValueError` that says why where MiniWorld is not installed or cannot draw.
    """
    try:
        return Painter()
    except ModuleNotFoundError as error:
        raise ValueError(
            f"images of the room are drawn by MiniWorld, and there is no package '{error.name}': "
            "install it by `pip install -e '.[miniworld]'`, or choose the view 'rays'"
        ) from error
    except Exception as error:  # pyglet and the graphics' libraries have many
        raise ValueError(
            f"MiniWorld cannot draw here ({type(error).__name__}: {error}): it needs OpenGL, on Linux with EGL; "
            "the view 'rays' needs neither"
        ) from error
