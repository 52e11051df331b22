"""The bodies of MAESN (Gupta et al. 2018) and of MAML (Finn et al. 2017), as MuJoCo specifications.

Written from the description of the old rllab models; `tests/replications/maesn/test_bodies.py` holds them to numbers
that those models give under MuJoCo 4.
"""

from importlib.resources import files

import mujoco

# The chassis hovers on slides; it is driven by two wheels, whose axes lie 0.0008 rad off the y axis, as in the old
# model (1.57 for π/2): a car that is told to drive straight on turns a little. The density makes car and the marker of
# the goal that rode along in the old model, which is left out here, weigh 14 kg.
WHEELED = """
<mujoco model="wheeled">
  <compiler angle="radian" inertiafromgeom="true"/>
  <option timestep="0.01" integrator="Euler"/>
  <default>
    <joint margin="0.01"/>
    <geom density="903.849" friction="0.4 0.4 0.4" solimp="0 0.8 0.01" solref="0.02 1" contype="1" conaffinity="0"/>
    <motor ctrllimited="true" ctrlrange="-2 2"/>
  </default>
  <worldbody>
    <light pos="0 0 4"/>
    <geom name="floor" type="plane" size="40 40 1" conaffinity="1" rgba="0.9 0.9 0.9 1"/>
    <body name="car" pos="0 0 -0.4">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <joint name="z" type="slide" axis="0 0 1" limited="true" range="-1 0.03"/>
      <joint name="yaw" type="hinge" axis="0 0 1"/>
      <geom name="chassis" type="box" size="0.15 0.1 0.046" pos="0 0 0.6" rgba="0.2 0.4 0.7 1"/>
      <body name="right" pos="0 -0.2 0">
        <joint name="right" type="hinge" axis="0 1 0" pos="0 0 0.5"/>
        <geom name="right" type="cylinder" size="0.1 0.046" pos="0 0 0.5" euler="1.57 0 0" rgba="0.2 0.2 0.2 1"/>
      </body>
      <body name="left" pos="0 0.2 0">
        <joint name="left" type="hinge" axis="0 1 0" pos="0 0 0.5"/>
        <geom name="left" type="cylinder" size="0.1 0.046" pos="0 0 0.5" euler="1.57 0 0" rgba="0.2 0.2 0.2 1"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="right"/>
    <motor joint="left"/>
  </actuator>
</mujoco>
"""

# A fork, open towards +x, and five blocks that it pushes over a table, without gravity. What blocks weigh is next to
# nothing: their inertia is the armature of their joints.
PUSHER = """
<mujoco model="pusher">
  <compiler angle="radian" inertiafromgeom="true"/>
  <option timestep="0.01" gravity="0 0 0" integrator="Euler" iterations="20"/>
  <default>
    <joint limited="true" range="-10.3 10.3" armature="0.04" damping="1"/>
    <geom contype="1" conaffinity="1" condim="1" density="10" friction="0.8 0.1 0.1" margin="0.002"/>
    <motor ctrllimited="true" ctrlrange="-2 2"/>
    <default class="fork">
      <joint damping="0.5"/>
      <geom size="0.02" rgba="0.2 0.4 0.7 1"/>
    </default>
    <default class="block">
      <joint type="slide" damping="1.5"/>
      <geom type="box" size="0.03 0.03 0.05" pos="0 0 0.05" density="0.0005" rgba="0.8 0.5 0.2 1"/>
    </default>
  </default>
  <worldbody>
    <light pos="0 0 4"/>
    <geom name="table" type="plane" pos="0 0.5 -0.325" size="1 1 0.1" contype="0" conaffinity="0" rgba="0.9 0.9 0.9 1"/>
    <body name="fork" pos="0 0 -0.263" childclass="fork">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <joint name="angle" type="hinge" axis="0 0 1"/>
      <geom type="capsule" fromto="0 -0.1 0 0 0.1 0"/>
      <geom type="capsule" fromto="0 -0.1 0 0.1 -0.1 0"/>
      <geom type="capsule" fromto="0 0.1 0 0.1 0.1 0"/>
      <geom type="sphere" size="0.01" pos="0.1 -0.1 0"/>
      <geom type="sphere" size="0.01" pos="0.1 0.1 0"/>
    </body>
  </worldbody>
  <actuator>
    <motor joint="x"/>
    <motor joint="y"/>
    <motor joint="angle"/>
  </actuator>
</mujoco>
"""
BLOCKS = 5
BLOCK_SPACING = 0.2  # block k's joints count from x = 0.2 k, in metres


def wheeled() -> mujoco.MjSpec:
    """Return the car on two wheels: 6 coordinates (x, y, z, yaw, wheels), 2 motors."""
    return mujoco.MjSpec.from_string(WHEELED)


def pusher() -> mujoco.MjSpec:
    """Return the fork and its blocks: coordinates x, y, angle of the fork, then x, y of each block; 3 motors."""
    spec = mujoco.MjSpec.from_string(PUSHER)
    style = spec.find_default("block")
    for k in range(1, BLOCKS + 1):
        block = spec.worldbody.add_body(name=f"block{k}", pos=[BLOCK_SPACING * k, 0, -0.325])
        block.add_joint(style, name=f"block{k}x", axis=[1, 0, 0])
        block.add_joint(style, name=f"block{k}y", axis=[0, 1, 0])
        block.add_geom(style, name=f"block{k}")
    return spec


def ant(gear: float, reach: float = 1.0) -> mujoco.MjSpec:
    """Return Gymnasium's ant with motors of another `gear`, whose controls lie within ±`reach`."""
    spec = gymnasium_body("ant.xml")
    for motor in spec.actuators:
        motor.gear[0] = gear
        motor.ctrlrange = [-reach, reach]
    return spec


def gymnasium_body(file: str) -> mujoco.MjSpec:
    """Return one of Gymnasium's bodies."""
    return mujoco.MjSpec.from_file(str(files("gymnasium") / "envs" / "mujoco" / "assets" / file))


def with_velocity_of_mass_centre(spec: mujoco.MjSpec, body: str = "torso") -> mujoco.MjSpec:
    """Add a sensor so that every step computes the velocities of mass centres (`subtree_linvel`); return `spec`."""
    kind = mujoco.mjtSensor.mjSENS_SUBTREELINVEL
    spec.add_sensor(type=kind, objtype=mujoco.mjtObj.mjOBJ_BODY, objname=body)
    return spec
