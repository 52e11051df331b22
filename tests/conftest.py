"""What must be settled before anything is imported: MuJoCo chooses how it renders when it is first imported."""

import ctypes.util
import os

if ctypes.util.find_library("EGL") and "DISPLAY" not in os.environ:
    os.environ.setdefault("MUJOCO_GL", "egl")
