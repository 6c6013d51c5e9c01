"""Part B: letting go of what trainings that have ended leave behind in the framework."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["clear_session", "gradients_released"]


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
