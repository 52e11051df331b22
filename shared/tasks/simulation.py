"""Many simulations of one MuJoCo model, stepped together: the one file that knows `mujoco.batch`.

`mujoco.batch.Batch` keeps every simulation as a row of state and steps them on a pool of threads, bit for bit like a
loop over `mj_step`, whatever their number and that of the threads. Here it gets a frame skip, masks, reports of broken
simulations, and model parameters that differ between simulations.

Importing this module silences MuJoCo's own log, on the console and in a file, for the whole process: what it would warn
of, `step` reports.
"""

from collections.abc import Iterable, Mapping
from enum import Enum

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

_log = mujoco.MjLogConfig.get()
_log.logto_console = _log.logto_file = False
mujoco.MjLogConfig.set(_log)

_ALARMS = ("BADQPOS", "BADQVEL", "BADQACC", "BADCTRL", "CONTACTFULL", "CNSTRFULL")
_BROKEN = [int(getattr(mujoco.mjtWarning, f"mjWARN_{alarm}")) for alarm in _ALARMS]
# The kinds of joints that have a rotation, and where it begins among their positions.
_ROTATIONS = {int(mujoco.mjtJoint.mjJNT_FREE): 3, int(mujoco.mjtJoint.mjJNT_BALL): 0}


class Present(Enum):
    """Which derived quantities are those of the present state after a step."""

    NOTHING = mujoco.mjtStage.mjSTAGE_NONE.value
    MOTION = mujoco.mjtStage.mjSTAGE_VEL.value
    FORCES = mujoco.mjtStage.mjSTAGE_ACC.value


class Simulations:
    """`count` simulations of `model`, each control applied for `frame_skip` steps.

    `qpos` `(count, nq)` and `qvel` `(count, nv)` are live views of the state: a write is the simulation's state at its
    next step. `fields` are names of derived quantities (`xpos`, `cfrc_ext`, …) that `field` then gives as live views,
    as `mj_step` leaves them: they belong to a moment before the present state. With Euler's integrator that is one
    simulator step earlier; with Runge-Kutta, kinematics come from its last stage and contact forces from its first.
    After `put` they are those of the state. With `present` they are so after every step, for a part of one more
    evaluation of the model: what depends on positions and velocities (`Present.MOTION`), or forces too (`FORCES`).
    `parameters` are names of model arrays that `assign` can set for each simulation.

    Contact forces (`cfrc_ext`) are computed by MuJoCo only for models with a sensor of force: `with_contact_forces`
    makes one of any specification.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        count: int,
        frame_skip: int,
        fields: Iterable[str] = (),
        parameters: Iterable[str] = (),
        threads: int = 1,
        present: Present = Present.NOTHING,
    ):
        self.model, self.count, self.frame_skip, self.present = model, count, frame_skip, present
        self._batch = Batch(model, count, threads)
        self.qpos, self.qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self._controls = self._batch.bind("ctrl")
        self._fields = {name: self._batch.bind(name) for name in fields}
        self._parameters = {name: self._batch.expand(name) for name in parameters}
        joints = zip(model.jnt_type, model.jnt_qposadr, strict=True)
        self._rotations = [place + _ROTATIONS[kind] for kind, place in joints if kind in _ROTATIONS]
        self._batch.forward()
        self._alarms = self._count_alarms()

    def field(self, name: str) -> np.ndarray:
        """Return the live view `(count, …)` of a derived quantity named at construction."""
        return self._fields[name]

    def put(self, mask: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Start the simulations in `mask` `(count,)` anew at `qpos` `(chosen, nq)` and `qvel` `(chosen, nv)`.

        Rotations are normalised, as the first step would do anyway.
        """
        ids = np.flatnonzero(mask)
        if not len(ids):
            return
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self.qpos[ids], self.qvel[ids] = qpos, qvel
        for place in self._rotations:
            rotations = self.qpos[ids, place : place + 4]
            lengths = np.linalg.norm(rotations, axis=1, keepdims=True)
            self.qpos[ids, place : place + 4] = np.where(np.abs(lengths - 1) > 1e-15, rotations / lengths, rotations)
        self._batch.forward(ids)
        self._alarms = self._count_alarms()

    def step(self, controls: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Apply `controls` `(count, nu)` for `frame_skip` steps; return which simulations broke, `(count,)`.

        Those outside `mask` `(count,)` stand still. A simulation breaks where MuJoCo raises an error in it, meets
        numbers that are not finite or huge, or runs out of room for contacts; its state is then finite but means
        nothing until `put`. The others are not touched by it.
        """
        self._controls[:] = controls
        ids = None if mask is None or mask.all() else np.flatnonzero(mask)
        failed = np.zeros(self.count, dtype=bool)
        if ids is not None and not len(ids):
            return failed
        try:
            self._batch.step(ids, nstep=self.frame_skip, stage=self.present.value)
        except SimulationError as error:
            failed[error.ids] = True
        before, self._alarms = self._alarms, self._count_alarms()
        return failed | (self._alarms != before)

    def _count_alarms(self) -> np.ndarray:
        return self._batch.warning[:, _BROKEN, 1].sum(axis=1)

    def assign(self, values: Mapping[str, np.ndarray], constants: bool) -> None:
        """Set model arrays by name to `values` `(count, …)`; simulations are not reset.

        With `constants`, what MuJoCo derives from them when it compiles a model (subtree masses, inverse weights) is
        derived anew; without, it stays that of the model.
        """
        for name, array in values.items():
            self._parameters[name][:] = array
        if constants:
            self._batch.set_const()

    def parameters(self, name: str) -> np.ndarray:
        """Return the model array `name` of every simulation, `(count, …)`."""
        return self._parameters[name]

    def data(self, index: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """Return one simulation as a model and data of its own, with all derived quantities, to render or inspect."""
        model, data = self._batch.get_model(index), self._batch.get_data(index)
        mujoco.mj_forward(model, data)
        return model, data


def with_contact_forces(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """Add a sensor of force to the first moving body, so that every step computes all contact forces; return `spec`.

    Sensors do not act on the physics.
    """
    body = spec.bodies[1]
    site = body.add_site(name="contact_forces")
    spec.add_sensor(type=mujoco.mjtSensor.mjSENS_FORCE, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site.name)
    return spec
