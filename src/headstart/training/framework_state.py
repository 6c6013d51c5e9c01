"""Process-wide state of the framework: determinism, random generators, and leftovers of finished trainings."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

from headstart.foundation.arrays import Array
from headstart.foundation.machine import usable_cores

__all__ = [
    "be_deterministic",
    "clear_session",
    "gradients_released",
    "is_keras_imported",
    "random_state",
    "set_random_state",
    "start_importing_keras",
]

_imported = threading.Event()


@lru_cache
def be_deterministic(num_threads: int | None = None) -> None:
    """Make the backend's operations bit-identical on every run, for the rest of this process.

    The number of threads is fixed too, if the backend still allows it, because the way a sum is divided among threads
    affects rounding. JAX needs no setting on a CPU.

    Args:
        num_threads: Threads per operation. Defaults to None: one per usable core.
    """
    import keras

    threads = num_threads or usable_cores()
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.random.set_seed(0)  # deterministic random operations need a global seed, also those of the caller
        tf.config.experimental.enable_op_determinism()
        with suppress(RuntimeError):  # TensorFlow has already started, and the number of threads is final
            tf.config.threading.set_intra_op_parallelism_threads(threads)
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_num_threads(threads)


def clear_session() -> None:
    """Clear Keras's global state of earlier networks, including their data and the counters in layer names."""
    import keras

    keras.utils.clear_session()


@contextmanager
def gradients_released() -> Iterator[None]:
    """Release the custom gradients that TensorFlow registers for everything compiled inside this context.

    TensorFlow keeps a function for each custom gradient forever. Up to 2.21, that function keeps the whole graph of the
    training alive, with weights, optimizer state and data (tensorflow/tensorflow#97697), and Keras's optimizers add one
    custom gradient to every network. Compiled functions continue to work, but can no longer be differentiated.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.python.framework import ops  # type: ignore[import-not-found, unused-ignore]

    registered = getattr(ops.gradient_registry, "_registry", {})  # there is no public way to remove an entry
    before = set(registered)
    try:
        yield
    finally:
        for name in set(registered) - before:
            del registered[name]


def random_state() -> dict[str, Array]:
    """Return the state of the process's random generators that training uses; empty on TensorFlow and JAX.

    On PyTorch, Dropout layers without a seed use the process's generator, and so does every pass over the data.
    """
    import keras

    if keras.config.backend() != "torch":
        return {}
    import torch

    return {"torch": torch.get_rng_state().numpy().copy()}


def set_random_state(state: dict[str, Array]) -> None:
    """Restore the random generators to a state that ``random_state`` returned."""
    if "torch" in state:
        import torch

        torch.set_rng_state(torch.from_numpy(state["torch"].copy()))


def start_importing_keras() -> None:
    """Import Keras in a thread while the solver runs, which releases the interpreter lock."""

    def load() -> None:
        importlib.import_module("keras")
        _imported.set()

    threading.Thread(target=load, daemon=True).start()


def is_keras_imported() -> bool:
    """Whether the import that ``start_importing_keras`` began has ended."""
    return _imported.is_set()
