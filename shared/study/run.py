"""A run: experiment × method × seed × scale, with every setting resolved."""

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt


class Protocol(BaseModel):
    """How a method is tested: `episodes` on every test task, reported one by one or as a total."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    episodes: PositiveInt
    report: Literal["episode", "trial"] = "episode"


class ResolvedRun(BaseModel):
    """All that a job needs to know. JSON-serialisable; names of code are `package.module:Class`.

    Exactly one of `env_steps` and `iterations` is set where `trains`; neither otherwise. `needs` maps a name
    to the (experiment, method) whose run of the same scale and seed hands over its final state.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    paper: str
    experiment: str
    method: str
    seed: int
    scale: str
    learner: str
    family: str
    family_config: dict[str, Any]
    hyperparameters: dict[str, Any]
    protocol: Protocol
    tasks: int
    curve_tasks: int
    env_steps: int | None
    iterations: int | None
    evaluate_every: int | None
    trains: bool
    needs: dict[str, tuple[str, str]]

    @property
    def name(self) -> str:
        """The run as a person writes it, without seed and scale: `paper/experiment/method`."""
        return f"{self.paper}/{self.experiment}/{self.method}"

    @property
    def title(self) -> str:
        """The run in messages."""
        return f"{self.name} seed {self.seed} ({self.scale})"

    @property
    def config_hash(self) -> str:
        """Hash of every setting: what the results depend on."""
        return _hash(self.model_dump(mode="json"))

    @property
    def training_hash(self) -> str:
        """Hash of the settings that the trained model, its metrics and its curve depend on."""
        return _hash(self._training_settings())

    @property
    def state_hash(self) -> str:
        """Hash of the settings that a checkpoint depends on: those of training, except for how long it lasts.

        A longer budget therefore continues from the checkpoints of a shorter one.
        """
        settings = self._training_settings()
        return _hash({key: settings[key] for key in settings if key not in ("env_steps", "iterations")})

    def _training_settings(self) -> dict[str, Any]:
        settings = self.model_dump(mode="json")
        if self.evaluate_every is None:
            for key in ("protocol", "tasks", "curve_tasks"):
                del settings[key]
        return settings


def _hash(settings: dict[str, Any]) -> str:
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
