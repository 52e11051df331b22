"""The engine against what it must equal: Gymnasium's environments and a plain loop over `mj_step`."""

from importlib.resources import files

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from mujoco.batch import SimulationError

from shared.tasks.simulation import Simulations, with_contact_forces

BODIES = {
    "half_cheetah": ("HalfCheetah-v5", 5),
    "ant": ("Ant-v5", 5),
    "walker2d": ("Walker2d-v5", 4),
    "humanoid": ("Humanoid-v5", 5),
}
pytestmark = pytest.mark.filterwarnings("ignore:.*settotalmass")


def model_file(name):
    return str(files("gymnasium") / "envs" / "mujoco" / "assets" / f"{name}.xml")


def load(name):
    return mujoco.MjModel.from_xml_path(model_file(name))


def script(model, count, steps, seed=0):
    """Random controls, and the states from which some simulations start anew before some steps."""
    rng = np.random.default_rng(seed)
    low, high = model.actuator_ctrlrange.T
    controls = rng.uniform(low, high, (steps, count, model.nu))
    resets = rng.random((steps, count)) < 0.02
    resets[0] = True
    qpos = model.qpos0 + rng.uniform(-0.1, 0.1, (steps, count, model.nq))
    if model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE:
        qpos[..., 3:7] /= np.linalg.norm(qpos[..., 3:7], axis=-1, keepdims=True)
    qvel = 0.1 * rng.normal(size=(steps, count, model.nv))
    return controls, resets, qpos, qvel


def play(simulations, controls, resets, qpos, qvel):
    """Return the states `(steps, count, nq + nv)` after every step."""
    states = []
    for t, control in enumerate(controls):
        chosen = resets[t]
        simulations.put(chosen, qpos[t, chosen], qvel[t, chosen])
        assert not simulations.step(control).any()
        states.append(np.concatenate([simulations.qpos, simulations.qvel], axis=1))
    return np.array(states)


@pytest.mark.parametrize("name", BODIES)
def test_trajectories_are_those_of_gymnasium(name):
    env_name, frame_skip = BODIES[name]
    file = {"xml_file": model_file("walker2d")} if name == "walker2d" else {}
    env = gym.make(env_name, **file).unwrapped
    model = load(name)
    reference = {}
    for count, threads in ((64, 2), (7, 1), (1, 1)):
        moves = script(model, 64, 1000)
        controls, resets, qpos, qvel = (array[:, :count] for array in moves)
        states = play(Simulations(model, count, frame_skip, threads=threads), controls, resets, qpos, qvel)
        for index in {0, count // 2, count - 1}:
            if index not in reference:
                reference[index] = gymnasium_states(env, [array[:, index] for array in moves])
            np.testing.assert_allclose(states[:, index], reference[index], rtol=0, atol=1e-10)


def gymnasium_states(env, moves):
    states = []
    for control, reset, qpos, qvel in zip(*moves, strict=True):
        if reset:
            mujoco.mj_resetData(env.model, env.data)
            env.set_state(qpos, qvel)
        env.do_simulation(control, env.frame_skip)
        states.append(np.concatenate([env.data.qpos, env.data.qvel]))
    return np.array(states)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("threads", [1, 2])
def test_states_and_derived_quantities_are_those_of_a_loop_bit_for_bit(name, threads):
    spec = with_contact_forces(mujoco.MjSpec.from_file(model_file(name)))
    model, count, skip = spec.compile(), 7, 5
    controls, resets, qpos, qvel = script(model, count, 100)
    simulations = Simulations(model, count, skip, ["xpos", "cfrc_ext"], threads=threads)
    states = play(simulations, controls, resets, qpos, qvel)
    for index in range(count):
        data = mujoco.MjData(model)
        for t in range(100):
            if resets[t, index]:
                mujoco.mj_resetData(model, data)
                data.qpos[:], data.qvel[:] = qpos[t, index], qvel[t, index]
                mujoco.mj_forward(model, data)
            data.ctrl[:] = controls[t, index]
            for _ in range(skip):
                mujoco.mj_step(model, data)
            assert np.array_equal(states[t, index], np.concatenate([data.qpos, data.qvel]))
        assert np.array_equal(simulations.field("xpos")[index], data.xpos)
        assert np.array_equal(simulations.field("cfrc_ext")[index], data.cfrc_ext)


def test_contact_forces_are_those_that_gymnasium_computes_on_demand():
    plain = load("ant")
    model = with_contact_forces(mujoco.MjSpec.from_file(model_file("ant"))).compile()
    simulations = Simulations(model, 1, 1, ["cfrc_ext"])
    data = mujoco.MjData(plain)
    qpos = plain.qpos0.copy()
    qpos[2] = 0.2  # pressed into the ground
    simulations.put(np.array([True]), qpos[None], np.zeros((1, plain.nv)))
    data.qpos[:] = qpos
    mujoco.mj_forward(plain, data)
    mujoco.mj_rnePostConstraint(plain, data)
    assert np.abs(data.cfrc_ext).max() > 1
    np.testing.assert_allclose(simulations.field("cfrc_ext")[0], data.cfrc_ext, rtol=0, atol=1e-10)


def test_only_what_the_mask_names_starts_anew_or_moves():
    model = load("half_cheetah")
    simulations = Simulations(model, 5, 5)
    rng = np.random.default_rng(0)
    simulations.step(rng.uniform(-1, 1, (5, model.nu)))
    before = simulations.qpos.copy(), simulations.qvel.copy()
    mask = np.array([False, True, False, False, True])
    simulations.put(mask, np.tile(model.qpos0, (2, 1)), np.zeros((2, model.nv)))
    assert np.array_equal(simulations.qpos[mask], np.tile(model.qpos0, (2, 1)))
    assert np.array_equal(simulations.qpos[~mask], before[0][~mask])
    assert np.array_equal(simulations.qvel[~mask], before[1][~mask])
    before = simulations.qpos.copy()
    simulations.step(rng.uniform(-1, 1, (5, model.nu)), mask)
    assert np.array_equal(simulations.qpos[~mask], before[~mask])
    assert (simulations.qpos[mask] != before[mask]).any(axis=1).all()
    assert not simulations.step(np.zeros((5, model.nu)), np.zeros(5, dtype=bool)).any()


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e12])
def test_a_broken_simulation_is_reported_and_leaves_the_others_alone(poison):
    model = load("half_cheetah")
    healthy, mixed = (Simulations(model, 3, 5) for _ in range(2))
    controls = np.random.default_rng(0).uniform(-1, 1, (20, 3, model.nu))
    mixed.qvel[1] = poison
    for t, control in enumerate(controls):
        healthy.step(control)
        assert mixed.step(control).tolist() == [False, t == 0, False]
    assert np.array_equal(mixed.qpos[[0, 2]], healthy.qpos[[0, 2]])
    assert np.isfinite(mixed.qpos).all()
    mixed.put(np.array([False, True, False]), model.qpos0[None], np.zeros((1, model.nv)))
    assert not mixed.step(controls[0]).any()


def test_an_error_inside_one_simulation_breaks_it_alone(monkeypatch):
    simulations = Simulations(load("half_cheetah"), 3, 5)

    def step(ids, nstep, stage):
        raise SimulationError(np.array([1]), "made up")

    monkeypatch.setattr(simulations._batch, "step", step)
    assert simulations.step(np.zeros((3, 6))).tolist() == [False, True, False]


def test_running_out_of_room_for_contacts_is_no_silent_matter():
    spec = mujoco.MjSpec.from_file(model_file("ant"))
    spec.memory = 20_000
    model = spec.compile()
    simulations = Simulations(model, 2, 1)
    qpos = np.tile(model.qpos0, (2, 1))
    qpos[1, 2] = -0.5  # all of it in the ground
    simulations.put(np.ones(2, dtype=bool), qpos, np.zeros((2, model.nv)))
    assert simulations.step(np.zeros((2, model.nu))).tolist() == [False, True]


def test_rotations_are_normalised_and_neighbours_keep_their_derived_quantities():
    model = load("ant")
    simulations = Simulations(model, 3, 5, ["xpos"])
    simulations.step(np.full((3, model.nu), 0.3))
    before = simulations.field("xpos").copy()
    qpos = model.qpos0 + 0.1
    simulations.put(np.array([False, True, False]), qpos[None], np.zeros((1, model.nv)))
    assert np.linalg.norm(simulations.qpos[1, 3:7]) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(simulations.qpos[1, 3:7], qpos[3:7] / np.linalg.norm(qpos[3:7]))
    assert np.array_equal(simulations.field("xpos")[[0, 2]], before[[0, 2]])
    np.testing.assert_allclose(simulations.field("xpos")[1, 1], qpos[:3])  # of the new state, not of an older one


@pytest.mark.parametrize(("name", "earlier"), [("half_cheetah", True), ("ant", False), ("walker2d", False)])
def test_kinematics_lag_one_step_under_euler_and_hardly_under_runge_kutta(name, earlier):
    model = load(name)
    simulations = Simulations(model, 1, 1, ["xpos"])
    data = mujoco.MjData(model)

    def torso():
        data.qpos[:] = simulations.qpos[0]
        mujoco.mj_forward(model, data)
        return data.xpos[1].copy()

    for _ in range(20):
        before = torso()
        simulations.step(np.full((1, model.nu), 0.3))
        after, seen = torso(), simulations.field("xpos")[0, 1]
    assert (np.abs(seen - before).max() == 0) == earlier
    assert (np.abs(seen - after).max() < np.abs(seen - before).max()) == (not earlier)


PARAMETERS = ("body_mass", "body_inertia", "geom_friction", "dof_damping")


@pytest.mark.parametrize("constants", [False, True])
def test_the_physics_is_that_of_a_model_changed_by_hand(constants):
    model, count = load("walker2d"), 4
    simulations = Simulations(model, count, 4, parameters=PARAMETERS)
    rng = np.random.default_rng(0)
    factors = {name: 1.5 ** rng.uniform(-3, 3, (count, *getattr(model, name).shape)) for name in PARAMETERS}
    simulations.assign({name: getattr(model, name) * factors[name] for name in PARAMETERS}, constants)
    for name in PARAMETERS:
        assert np.array_equal(simulations.parameters(name), getattr(model, name) * factors[name])
    controls, resets, qpos, qvel = script(model, count, 200)
    states = play(simulations, controls, resets, qpos, qvel)
    for index in range(count):
        changed = load("walker2d")
        for name in PARAMETERS:
            getattr(changed, name)[:] *= factors[name][index]
        if constants:
            mujoco.mj_setConst(changed, mujoco.MjData(changed))
        alone = Simulations(changed, 1, 4)
        expected = play(alone, *(array[:, index : index + 1] for array in (controls, resets, qpos, qvel)))
        assert np.array_equal(states[:, index], expected[:, 0])


@pytest.mark.parametrize("constants", [False, True])
def test_the_models_own_values_bring_it_back(constants):
    model = load("walker2d")
    simulations = Simulations(model, 3, 4, parameters=PARAMETERS)
    rng = np.random.default_rng(0)
    for _ in range(3):  # no trace of what was there before
        changed = {n: getattr(model, n) * rng.uniform(0.3, 3, (3, *getattr(model, n).shape)) for n in PARAMETERS}
        simulations.assign(changed, constants)
    simulations.assign({name: np.repeat(getattr(model, name)[None], 3, axis=0) for name in PARAMETERS}, constants)
    for index in range(3):
        back, _ = simulations.data(index)
        for name in (*PARAMETERS, "body_subtreemass", "dof_M0", "body_invweight0", "dof_invweight0"):
            assert np.array_equal(getattr(back, name), getattr(model, name)), name
    moves = script(model, 3, 100)
    assert np.array_equal(play(simulations, *moves), play(Simulations(model, 3, 4), *moves))
