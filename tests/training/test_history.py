"""The epochs of a training are returned as Keras returns them."""

from __future__ import annotations

from headstart.training.history import History

ROWS = [{"epoch": 0, "loss": 0.9, "val_loss": 0.8}, {"epoch": 1, "loss": 0.4, "val_loss": 0.5, "learning_rate": 0.1}]


def test_history_has_a_list_per_name_and_the_numbers_of_the_epochs() -> None:
    """A value that an epoch lacks is None."""
    history = History(ROWS)
    assert history.epoch == [0, 1]
    assert history.history == {"loss": [0.9, 0.4], "val_loss": [0.8, 0.5], "learning_rate": [None, 0.1]}
    assert repr(history) == "History(2 epochs, loss 0.4, val_loss 0.5)"


def test_history_without_epochs_is_empty() -> None:
    """Trees have none."""
    assert (len(History()), repr(History()), History().history) == (0, "History(0 epochs)", {})
