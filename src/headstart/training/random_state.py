"""Part B: the random state that training draws from and no model owns."""

from __future__ import annotations

from headstart.foundation.arrays import Array

__all__ = ["random_state", "set_random_state"]


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
