"""Part B: the same bits from the same seed: deterministic operations, and a fixed number of threads."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

from headstart.foundation.machine import usable_cores

__all__ = ["be_deterministic"]


@lru_cache
def be_deterministic(num_threads: int | None = None) -> None:
    """Ask the backend for operations that give the same bits each time, for the rest of this process.

    How a sum is shared out decides how it is rounded, so the number of threads is fixed too, where the backend still lets
    itself be told. JAX is deterministic on a CPU as it is.

    Args:
        num_threads: Threads of an operation; one a usable core if None.
    """
    import keras

    threads = num_threads or usable_cores()
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.random.set_seed(0)  # without one, whatever draws at random is refused from here on, the program's own too
        tf.config.experimental.enable_op_determinism()
        with suppress(RuntimeError):  # it has begun to compute already, and keeps the threads that it has
            tf.config.threading.set_intra_op_parallelism_threads(threads)
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_num_threads(threads)
