"""What must be settled before anything imports MuJoCo."""

from shared.study.rendering import choose_backend

choose_backend()
