"""Pictures of bodies, where there is an OpenGL backend."""

import os
import sys

import mujoco
import numpy as np

GL_NEEDED = (
    "rendering needs an OpenGL backend: without a screen, install EGL (Debian: libegl1) and set MUJOCO_GL=egl, "
    "or OSMesa (libosmesa6) and MUJOCO_GL=osmesa, before Python starts"
)


class Camera:
    """A camera that follows the first body of a model; raises `RuntimeError` where there is no OpenGL backend."""

    def __init__(self, model: mujoco.MjModel, distance: float = 4.0):
        if _without_screen():
            raise RuntimeError(GL_NEEDED)  # MuJoCo itself may abort the process
        try:
            self._renderer = mujoco.Renderer(model)
        except Exception as error:  # every backend fails with an error of its own kind
            raise RuntimeError(f"{GL_NEEDED} ({error})") from error
        self._view = mujoco.MjvCamera()
        self._view.type, self._view.trackbodyid = mujoco.mjtCamera.mjCAMERA_TRACKING, 1
        self._view.distance = distance

    def picture(self, data: mujoco.MjData) -> np.ndarray:
        """Return a picture `(240, 320, 3)` of the bodies as they are."""
        self._renderer.update_scene(data, self._view)
        return self._renderer.render()

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()


def _without_screen() -> bool:
    """Tell whether MuJoCo would look for a screen that is not there."""
    offscreen = os.environ.get("MUJOCO_GL", "").strip().lower() in ("egl", "osmesa")
    screen = any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return sys.platform == "linux" and not offscreen and not screen
