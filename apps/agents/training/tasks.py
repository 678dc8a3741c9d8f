"""Batches of simulated tasks with their teachers, through the C++ library that the engine's own command
line uses: one implementation of physics and teacher."""

import ctypes
import os

import numpy as np

TRAINING, VALIDATION, EVALUATION = 0, 1, 2
DEMONSTRATION_EPISODE, EVALUATION_EPISODE = 0, 1
DEMONSTRATION_PAIRS = 100
OBSERVATION_SIZE = 5
STEP_COUNT = 500
PERIOD_S = 0.02


def _load():
    path = os.environ.get("GRAMIAN_TASK_LIBRARY", "build/release/apps/tasks/libgramian_task_library.so")
    library = ctypes.CDLL(os.path.abspath(path))
    library.gramian_task_batch_create.restype = ctypes.c_void_p
    library.gramian_task_batch_create.argtypes = [
        ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32]
    return library


def _pointer(array):
    assert array.flags.c_contiguous
    return array.ctypes.data_as(ctypes.c_void_p)


class TaskBatch:
    """The tasks first .. first + count - 1 of a seed."""

    _library = None

    def __init__(self, name, purpose, seed, first, count):
        if TaskBatch._library is None:
            TaskBatch._library = _load()
        self.count = count
        handle = self._library.gramian_task_batch_create(name.encode(), purpose, seed, first, count)
        if not handle:
            raise ValueError(f"no task batch '{name}'")
        self._handle = ctypes.c_void_p(handle)
        sizes = (ctypes.c_uint32 * 3)()
        self._library.gramian_task_batch_sizes(self._handle, sizes)
        self.observation_size, self.action_size, self.step_count = sizes

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.gramian_task_batch_destroy(self._handle)

    def reset(self, episode):
        self._library.gramian_task_batch_reset(self._handle, ctypes.c_uint64(episode))

    def observe(self):
        out = np.empty((self.count, self.observation_size), np.float32)
        self._library.gramian_task_batch_observe(self._handle, _pointer(out))
        return out

    def teach(self):
        out = np.empty((self.count, self.action_size), np.float32)
        self._library.gramian_task_batch_teach(self._handle, _pointer(out))
        return out

    def step(self, actions):
        """Rewards and is_done, both [count]."""
        actions = np.ascontiguousarray(actions, np.float32)
        assert actions.shape == (self.count, self.action_size)
        rewards, is_done = np.empty(self.count), np.empty(self.count, np.uint8)
        self._library.gramian_task_batch_step(
            self._handle, _pointer(actions), _pointer(rewards), _pointer(is_done))
        return rewards, is_done.astype(bool)

    def demonstrate(self, episode=DEMONSTRATION_EPISODE, pairs=DEMONSTRATION_PAIRS):
        """Observations [count, pairs, 5], targets [count, pairs, 1] and the teacher's returns [count]."""
        observations = np.empty((self.count, pairs, self.observation_size), np.float32)
        targets = np.empty((self.count, pairs, self.action_size), np.float32)
        returns = np.empty(self.count)
        if self._library.gramian_task_batch_demonstrate(
                self._handle, ctypes.c_uint64(episode), pairs, _pointer(observations),
                _pointer(targets), _pointer(returns)) != 0:
            raise RuntimeError("a teacher's episode ended early")
        return observations, targets, returns

    def teacher_returns(self, episode):
        returns = np.empty(self.count)
        self._library.gramian_task_batch_teacher_returns(
            self._handle, ctypes.c_uint64(episode), _pointer(returns))
        return returns

    def random_returns(self, episode, policy_seed):
        returns = np.empty(self.count)
        self._library.gramian_task_batch_random_returns(
            self._handle, ctypes.c_uint64(episode), ctypes.c_uint64(policy_seed), _pointer(returns))
        return returns


def play(batch, act, episode=EVALUATION_EPISODE):
    """Returns [count] of an episode in which act(observations [count, size]) -> actions [count, size] acts."""
    batch.reset(episode)
    total = np.zeros(batch.count)
    for _ in range(batch.step_count):
        rewards, is_done = batch.step(act(batch.observe()))
        total += rewards
        if is_done.all():
            break
    return total
