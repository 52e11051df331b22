"""How MuJoCo renders, which it decides when it is first imported."""

import ctypes.util
import os


def choose_backend() -> None:
    """Let MuJoCo render through EGL where that is installed, there is no screen, and nobody chose otherwise."""
    if ctypes.util.find_library("EGL") and "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl")
