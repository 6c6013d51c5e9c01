"""State that the framework keeps for the whole process: determinism, random generators, what ended trainings leave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

from headstart.foundation.arrays import Array
from headstart.foundation.machine import usable_cores

__all__ = ["be_deterministic", "clear_session", "gradients_released", "random_state", "set_random_state"]


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


def clear_session() -> None:
    """Forget what Keras remembers of earlier networks, the numbers in the names of layers and the data included."""
    import keras

    keras.utils.clear_session()


@contextmanager
def gradients_released() -> Iterator[None]:
    """Take back what TensorFlow notes for the gradients of whatever is compiled inside.

    It keeps a function for each custom gradient for ever, up to 2.21 with the whole graph of the training behind it, the
    weights, the optimizer's state and the data included (tensorflow/tensorflow#97697); Keras's optimizers add one such
    gradient to every network. What was compiled goes on working; only gradients of it cannot be derived any more.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.python.framework import ops  # type: ignore[import-not-found, unused-ignore]

    noted = getattr(ops.gradient_registry, "_registry", {})  # which has no public way to take anything back
    before = set(noted)
    try:
        yield
    finally:
        for name in set(noted) - before:
            del noted[name]


def random_state() -> dict[str, Array]:
    """The state of the generators beside the model's own; nothing on TensorFlow and JAX.

    On PyTorch, a Dropout layer without a seed draws from the process's generator, and so does every pass over the data.
    """
    import keras

    if keras.config.backend() != "torch":
        return {}
    import torch

    return {"torch": torch.get_rng_state().numpy().copy()}


def set_random_state(state: dict[str, Array]) -> None:
    """Put the generators back to where ``random_state`` found them."""
    if "torch" in state:
        import torch

        torch.set_rng_state(torch.from_numpy(state["torch"].copy()))
