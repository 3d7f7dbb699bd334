"""One Gymnasium environment, stepped on behalf of another process through a socket.

Run by `python -c`, so that modules in the working directory are found; standard input is the socket. Requests and replies take
turns. All numbers are little-endian.

Request: command u8, 3 bytes of nothing, length u32 of what follows.

  M  make         JSON {"id", "options", "pictures"}     -> text: what it looks like, as TOML
  R  reset        seed u64                               -> observation
  S  step         A numbers: f32, or i32 where discrete  -> observation
  N  renew                                               -> nothing
  P  picture                                             -> height u32, width u32, RGB bytes
  Q  picture of   f64: positions, velocities (MuJoCo)    -> the same

Reply: kind u8, flags u8 (1 terminated, 2 truncated), 2 bytes of nothing, length u32 of what follows, reward f64. Kinds: 0 done,
1 the environment raised an exception, 2 the request makes no sense, 3 a package is missing, 4 it cannot be drawn; all but 0 are
followed by text. An observation is O f32, or O bytes where the environment's own are such, in the order of its array.

Options that this program takes itself, with `preprocessing = "atari"`, are those of `Preprocessing`.
"""

import ctypes.util
import importlib.metadata
import json
import os
import platform
import random
import signal
import socket
import struct
import sys
import time
import traceback

HEADER, REPLY = struct.Struct("<Bxxx I"), struct.Struct("<BBxx I d")
DONE, RAISED, REFUSED, MISSING, UNSEEN = range(5)
LONGEST_TRACEBACK = 3000
WATCH = 100e-6
# Not everywhere.
give_way = getattr(os, "sched_yield", lambda: None)


class Refused(Exception):
    """The request makes no sense for this environment."""


class Missing(Exception):
    """A package is missing."""


class Unseen(Exception):
    """The environment cannot be drawn."""


def numbers(values):
    return "[" + ", ".join(repr(float(value)) for value in values) + "]"


class Actions:
    """How the numbers of a request become an action."""

    def __init__(self, space):
        from gymnasium import spaces

        if isinstance(space, spaces.Box):
            self.decode, self.size, self.type = self.box, space.shape, "f"
            self.description = f'box = {{ low = {numbers(space.low.ravel())}, high = {numbers(space.high.ravel())} }}'
        elif isinstance(space, spaces.Discrete):
            self.decode, self.size, self.type = self.discrete, (1,), "i"
            self.start = int(space.start)
            self.description = f"discrete = {int(space.n)}"
        elif isinstance(space, (spaces.MultiDiscrete, spaces.MultiBinary)):
            self.decode, self.size, self.type = self.choices, space.shape, "i"
            multi = isinstance(space, spaces.MultiDiscrete)
            self.start = space.start if multi else 0
            n = space.nvec.ravel() if multi else [2] * int(np.prod(space.shape))
            self.description = "multi_discrete = " + str([int(value) for value in n])
        else:
            raise Refused(f"action space {space}: expected Box, Discrete, MultiDiscrete or MultiBinary")
        self.dtype = space.dtype

    def box(self, given):
        values = given.reshape(self.size)
        # An environment may keep the array.
        return values.astype(self.dtype) if self.dtype.kind == "f" else np.rint(values).astype(self.dtype)

    def discrete(self, given):
        return self.start + int(given[0])

    def choices(self, given):
        return (given.reshape(self.size) + self.start).astype(self.dtype)


class Observations:
    """How an observation becomes numbers."""

    def __init__(self, space):
        from gymnasium import spaces

        self.space = space
        self.check(space, spaces)
        self.flatten = spaces.utils.flatten
        self.size = int(spaces.utils.flatdim(space))
        is_box = isinstance(space, spaces.Box)
        self.write = self.box if is_box else self.other
        self.type = np.dtype(np.uint8 if is_box and space.dtype == np.uint8 else np.float32)
        self.image = self.image_of(space) if self.type == np.uint8 else None

    def image_of(self, space):
        """(stack, height, width, channels) of bytes from 0 to 255 in two to four dimensions."""
        if len(space.shape) not in (2, 3, 4) or space.low.any() or (space.high != 255).any():
            return None
        if len(space.shape) == 4:
            return space.shape
        if len(space.shape) == 2:
            return (1, *space.shape, 1)
        # Colours are the last dimension, frames and planes the first: either is shorter than a picture is wide.
        first, last = space.shape[0], space.shape[-1]
        return (*space.shape, 1) if first < last else (1, *space.shape)

    def check(self, space, spaces):
        if isinstance(space, spaces.Dict):
            parts = space.spaces.values()
        elif isinstance(space, spaces.Tuple):
            parts = space.spaces
        elif isinstance(space, (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
            parts = []
        else:
            raise Refused(
                f"observation space {space}: expected Box, Discrete, MultiDiscrete, MultiBinary, or a Dict or Tuple of these"
            )
        for part in parts:
            self.check(part, spaces)

    def box(self, place, observation):
        np.copyto(place, np.asarray(observation).reshape(-1), casting="unsafe")

    def other(self, place, observation):
        np.copyto(place, self.flatten(self.space, observation), casting="unsafe")


class Preprocessing:
    """Wrappers of Gymnasium around the games of the Arcade Learning Environment, by options of their own."""

    COUNTS = {"frame_skip": (4, 1), "noop_max": (30, 0), "screen_size": (84, 1), "frame_stack": (4, 1)}
    OURS = {"frameskip": "frame_skip says how many frames an action lasts", "obs_type": "it makes grey images"}

    def __init__(self, options):
        """Takes its own options out."""
        name = options.pop("preprocessing")
        if name != "atari":
            raise Refused(f'preprocessing = {json.dumps(name)}: expected "atari"')
        for option, reason in self.OURS.items():
            if option in options:
                raise Refused(f'{option}: with preprocessing = "atari" {reason}; leave it out')
        for option, (usual, least) in self.COUNTS.items():
            setattr(self, option, self.count(option, options.pop(option, usual), least))
        self.life_loss = options.pop("terminal_on_life_loss", False)
        if not isinstance(self.life_loss, bool):
            raise Refused(f"terminal_on_life_loss = {json.dumps(self.life_loss)}: expected true or false")
        self.limit = options.pop("max_episode_steps", None)
        if self.limit is not None:
            self.count("max_episode_steps", self.limit, 1)
        # Frames are skipped by the wrapper, which looks at the last two of them.
        options.update(frameskip=1, obs_type="grayscale")

    @staticmethod
    def count(option, given, least):
        if isinstance(given, bool) or not isinstance(given, int) or given < least:
            raise Refused(f"{option} = {json.dumps(given)}: expected a whole number of at least {least}")
        return given

    def wrap(self, env):
        from gymnasium import wrappers

        if not hasattr(env.unwrapped, "ale"):
            raise Refused(self.not_for_it())
        try:
            import cv2
        except ModuleNotFoundError as error:
            cure = f"{sys.executable} -m pip install opencv-python-headless"
            raise Missing(f'OpenCV for preprocessing = "atari": {error}; install it with `{cure}`') from None
        # There is a worker for every core already.
        cv2.setNumThreads(1)
        env = wrappers.AtariPreprocessing(
            env,
            noop_max=self.noop_max,
            frame_skip=self.frame_skip,
            screen_size=self.screen_size,
            terminal_on_life_loss=self.life_loss,
        )
        if self.frame_stack > 1:
            env = wrappers.FrameStackObservation(env, self.frame_stack)
        return wrappers.TimeLimit(env, self.limit) if self.limit is not None else env

    @staticmethod
    def not_for_it():
        return 'preprocessing = "atari" is for games of the Arcade Learning Environment, such as ale_py:ALE/Pong-v5'


class Worker:
    def __init__(self, channel):
        self.channel = channel
        self.request = bytearray(1 << 16)
        self.reply = bytearray(REPLY.size)
        self.env = None

    def serve(self):
        commands = {ord("M"): self.make, ord("R"): self.reset, ord("S"): self.step, ord("N"): self.renew, ord("P"): self.picture, ord("Q"): self.picture_of}
        while self.receive():
            try:
                commands[self.request[0]]()
            except Refused as error:
                self.answer(REFUSED, str(error).encode())
            except Missing as error:
                self.answer(MISSING, str(error).encode())
            except Unseen as error:
                self.answer(UNSEEN, str(error).encode())
            except Exception as error:
                self.answer(RAISED, told(error).encode())

    def receive(self):
        """Reads a request; whether there was one."""
        have = 0
        while have < HEADER.size or have < HEADER.size + self.length():
            if have >= HEADER.size and len(self.request) < HEADER.size + self.length():
                self.request.extend(bytes(HEADER.size + self.length() - len(self.request)))
            with memoryview(self.request) as view:
                got = self.read(view[have:])
            if got == 0:
                return False
            have += got
        return True

    def read(self, place):
        """Watches for bytes a while before it lets the system wake it, which takes longer than many a step."""
        until = time.perf_counter() + WATCH
        while True:
            try:
                return self.channel.recv_into(place, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if time.perf_counter() >= until:
                    return self.channel.recv_into(place)
                give_way()

    def length(self):
        return HEADER.unpack_from(self.request)[1]

    def payload(self):
        return bytes(self.request[HEADER.size : HEADER.size + self.length()])

    def answer(self, kind, extra=b""):
        self.channel.sendall(REPLY.pack(kind, 0, len(extra), 0.0) + extra)

    # ------------------------------------------------------------------------------------------------ requests

    def make(self):
        question = json.loads(self.payload())
        self.id, self.options = question["id"], question["options"]
        if question["pictures"]:
            self.options["render_mode"] = "rgb_array"
            # MuJoCo draws off screen through whichever of the two there is.
            if "MUJOCO_GL" not in os.environ and sys.platform == "linux":
                for library, name in [("EGL", "egl"), ("OSMesa", "osmesa")]:
                    if ctypes.util.find_library(library):
                        os.environ["MUJOCO_GL"] = name
                        break
        try:
            global np, gymnasium
            import gymnasium
            import numpy as np
        except ModuleNotFoundError as error:
            raise Missing(f"Gymnasium: {error}; install it with `{sys.executable} -m pip install gymnasium==1.4.0`") from None
        self.preprocessing = Preprocessing(self.options) if "preprocessing" in self.options else None
        self.build()
        self.actions = Actions(self.env.action_space)
        self.observations = Observations(self.env.observation_space)
        self.given = np.zeros(int(np.prod(self.actions.size)), np.float32 if self.actions.type == "f" else np.int32)
        self.reply = bytearray(REPLY.size + self.observations.type.itemsize * self.observations.size)
        self.place = np.frombuffer(self.reply, self.observations.type, self.observations.size, REPLY.size)
        self.answer(DONE, self.describe().encode())

    def build(self):
        from gymnasium import error as errors

        self.keep_mujoco_from_writing()
        try:
            self.env = gymnasium.make(self.id, disable_env_checker=True, **self.options)
            if self.preprocessing:
                self.env = self.preprocessing.wrap(self.env)
        except (errors.DependencyNotInstalled, ModuleNotFoundError) as error:
            raise Missing(f"a package: {error} (asked in {sys.executable})") from None
        except errors.Error as error:
            raise Refused(f"{type(error).__name__}: {error}") from None
        except TypeError as error:
            if self.preprocessing and "argument 'frameskip'" in str(error):
                raise Refused(Preprocessing.not_for_it()) from None
            if self.options:
                raise Refused(f"{type(error).__name__}: {error}") from None
            raise

    def keep_mujoco_from_writing(self):
        """MuJoCo writes its warnings into a file MUJOCO_LOG.TXT wherever the run was started; here they go to standard error."""
        spec = gymnasium.registry.get(self.id)
        if spec is None or "mujoco" not in str(spec.entry_point).lower():
            return
        try:
            import mujoco
        except ImportError:
            # What makes the environment says so in better words.
            return
        mujoco.set_mju_user_warning(lambda text: print(f"MuJoCo: {text}", file=sys.stderr))

    def describe(self):
        spec, metadata = self.env.spec, self.env.metadata or {}
        versions = {"python": platform.python_version(), "gymnasium": gymnasium.__version__, "numpy": np.__version__}
        package = type(self.env.unwrapped).__module__.split(".")[0]
        for name in importlib.metadata.packages_distributions().get(package, []):
            versions[name] = importlib.metadata.version(name)
        if "cv2" in sys.modules:
            versions["cv2"] = sys.modules["cv2"].__version__
        if "mujoco" in sys.modules:
            versions["mujoco"] = importlib.metadata.version("mujoco")
        # A game shows 60 frames a second.
        fps = 60 / self.preprocessing.frame_skip if self.preprocessing else metadata.get("render_fps") or 30
        lines = [f"observation_size = {self.observations.size}", f"frames_per_second = {float(fps)}"]
        lines.append(f"bytes = {str(self.observations.type == np.uint8).lower()}")
        if self.observations.image is not None:
            names = ("stack", "height", "width", "channels")
            sizes = ", ".join(f"{name} = {size}" for name, size in zip(names, self.observations.image))
            lines.append(f"image = {{ {sizes} }}")
        if spec is not None and spec.max_episode_steps is not None and spec.max_episode_steps > 0:
            lines.append(f"max_episode_steps = {spec.max_episode_steps}")
        if spec is not None and spec.reward_threshold is not None:
            lines.append(f"reward_threshold = {float(spec.reward_threshold)!r}")
        lines += ["[actions]", self.actions.description, "[software]"]
        lines += [f"{json.dumps(name)} = {json.dumps(version)}" for name, version in versions.items()]
        return "\n".join(lines)

    def reset(self):
        (seed,) = struct.unpack_from("<Q", self.request, HEADER.size)
        # Old environments take no more than 31 bits, and careless ones draw from the generators that everybody shares.
        seed &= 0x7FFFFFFF
        random.seed(seed)
        np.random.seed(seed)
        self.env.action_space.seed(seed)
        observation, _ = self.env.reset(seed=seed)
        self.observations.write(self.place, observation)
        REPLY.pack_into(self.reply, 0, DONE, 0, len(self.reply) - REPLY.size, 0.0)
        self.channel.sendall(self.reply)

    def step(self):
        given = np.frombuffer(self.request, self.given.dtype, self.given.size, HEADER.size)
        observation, reward, terminated, truncated, _ = self.env.step(self.actions.decode(given))
        self.observations.write(self.place, observation)
        flags = bool(terminated) + 2 * bool(truncated)
        REPLY.pack_into(self.reply, 0, DONE, flags, len(self.reply) - REPLY.size, float(reward))
        self.channel.sendall(self.reply)

    def renew(self):
        self.env.close()
        self.build()
        self.answer(DONE)

    def picture(self):
        self.draw(self.env)

    def draw(self, env):
        if "rgb_array" not in (env.metadata or {}).get("render_modes", []):
            raise Unseen("it has no render_mode rgb_array")
        try:
            pixels = env.render()
        except Exception as error:
            raise Unseen(told(error)) from None
        pixels = np.asarray(pixels)
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise Unseen(f"its picture has shape {pixels.shape}, expected (height, width, 3)")
        pixels = np.ascontiguousarray(pixels, np.uint8)
        self.answer(DONE, struct.pack("<II", *pixels.shape[:2]) + pixels.tobytes())

    def picture_of(self):
        env = self.env.unwrapped
        state = np.frombuffer(self.payload(), np.float64)
        env.set_state(state[: env.model.nq], state[env.model.nq :])
        self.draw(env)


def told(error):
    """The exception with the environment's own part of the traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == "<string>":
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace)).strip()
    return text if len(text) <= LONGEST_TRACEBACK else "... " + text[-LONGEST_TRACEBACK:]


def main():
    # Ctrl-C is for the program at the other end, which says what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=os.dup(0))
    # An environment that reads or prints must not reach the socket.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    worker = Worker(channel)
    worker.serve()
    if worker.env is not None:
        worker.env.close()


main()
