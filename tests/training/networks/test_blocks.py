"""Blocks and the networks made of them: shapes, initialisers, penalties, and what only happens in training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.foundation.errors import UsageError
from headstart.training.networks.blocks import cnn, conv_block, dense_block, dnn
from headstart.training.networks.layer_options import parse_regularizer

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]
Block = Callable[[keras.KerasTensor], keras.KerasTensor]

ROWS = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
LABELS = np.arange(64) % 3


def network(shape: tuple[int, ...], block: Block) -> keras.Model:
    """A model of one block."""
    x = keras.Input(shape)
    return keras.Model(x, block(x))


def kinds(model: keras.Model) -> list[str]:
    """Class names of the layers, the input left out."""
    return [type(layer).__name__ for layer in model.layers[1:]]


def test_dense_block_layers() -> None:
    """Dense, normalisation, activation and dropout, in this order, named after the block."""
    model = network((6,), lambda x: dense_block(x, 4, activation="tanh", dropout=0.2, name="hidden"))
    assert kinds(model) == ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert [layer.name for layer in model.layers[1:]] == ["hidden", "hidden_bn", "hidden_tanh", "hidden_dropout"]
    assert not model.get_layer("hidden").use_bias
    assert model.get_layer("hidden_dropout").rate == 0.2


def test_conv_block_layers() -> None:
    """Conv, normalisation, pooling, activation, and dropout of whole channels."""
    model = network((8, 8, 3), lambda x: conv_block(x, 4, shrink="max", dropout=0.2, name="c"))
    assert kinds(model) == ["Conv2D", "BatchNormalization", "MaxPooling2D", "Activation", "SpatialDropout2D"]


@pytest.mark.parametrize(
    ("activation", "kind"),
    [("relu", "HeNormal"), ("silu", "HeNormal"), ("selu", "LecunNormal"), ("tanh", "GlorotUniform")],
)
def test_initializer_follows_the_activation(activation: str, kind: str) -> None:
    """He for the ReLU family, LeCun for selu, Glorot for all others, in both blocks."""
    dense = network((6,), lambda x: dense_block(x, 4, activation=activation, name="b"))
    conv = network((8, 8, 3), lambda x: conv_block(x, 4, activation=activation, name="b"))
    for model in (dense, conv):
        assert type(model.get_layer("b").kernel_initializer).__name__ == kind


def test_dropout_acts_in_fit_and_not_in_predict() -> None:
    """Two networks with the same weights, one with dropout, predict the same and train on different losses."""

    def compiled(dropout: float) -> keras.Model:
        keras.utils.set_random_seed(1)
        rows = keras.Input((6,))
        x = dense_block(rows, 32, dropout=dropout, name="hidden")
        model = keras.Model(rows, keras.layers.Dense(3, activation="softmax")(x))
        # A rate of 0 keeps the weights, so that the losses differ by the dropout alone.
        model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", run_eagerly=True)
        return model

    without, with_dropout = compiled(0.0), compiled(0.5)
    with_dropout.set_weights(without.get_weights())
    np.testing.assert_array_equal(without.predict(ROWS, verbose=0), with_dropout.predict(ROWS, verbose=0))
    np.testing.assert_array_equal(with_dropout.predict(ROWS, verbose=0), with_dropout.predict(ROWS, verbose=0))
    plain, dropped = (
        model.fit(ROWS, LABELS, epochs=2, batch_size=64, shuffle=False, verbose=0).history["loss"]
        for model in (without, with_dropout)
    )
    assert plain[0] == pytest.approx(plain[1], rel=1e-6)
    assert abs(dropped[0] - plain[0]) > 1e-3
    assert abs(dropped[0] - dropped[1]) > 1e-3  # other units are left out each time


@pytest.mark.parametrize(
    ("text", "l1", "l2"),
    [("l1:1e-3", 1e-3, 0), ("l2:0.5", 0, 0.5), ("l1_l2:1e-4", 1e-4, 1e-4), ("l1_l2:1e-4,1e-2", 1e-4, 1e-2)],
)
def test_regularizer_from_text(text: str, l1: float, l2: float) -> None:
    """The penalty of weights 1 and -2 is that of the rates in the text; the block's kernel has it."""
    weights = np.array([1.0, -2.0], np.float32)
    regularizer = parse_regularizer(text)
    assert regularizer is not None
    assert float(regularizer(weights)) == pytest.approx(3 * l1 + 5 * l2)
    for model in (
        network((6,), lambda x: dense_block(x, 4, regularizer=text, name="b")),
        network((8, 8, 3), lambda x: conv_block(x, 4, regularizer=text, name="b")),
    ):
        kernel = keras.ops.convert_to_numpy(model.get_layer("b").kernel)
        penalty = sum(float(keras.ops.convert_to_numpy(loss)) for loss in model.losses)
        assert penalty == pytest.approx(l1 * np.abs(kernel).sum() + l2 * (kernel**2).sum(), rel=1e-4)


def test_parse_regularizer_keeps_objects_of_keras() -> None:
    """An object is returned unchanged, and None means no penalty."""
    own = keras.regularizers.OrthogonalRegularizer()
    assert parse_regularizer(own) is own
    assert parse_regularizer(None) is None


@pytest.mark.parametrize("text", ["", "l2", "l2:", "l3:1", "l2:-1", "l2:nan", "l2:inf", "l2:1,2", "l1_l2:1,2,3", "1e-4"])
def test_unknown_regularizer_is_rejected(text: str) -> None:
    """The error shows how a regularizer is written."""
    with pytest.raises(UsageError, match=r"H020(.|\n)*l2:1e-4"):
        parse_regularizer(text)


@given(st.text())
def test_any_text_is_a_regularizer_or_rejected(text: str) -> None:
    """Any text gives a penalty or the error."""
    with contextlib.suppress(UsageError):
        assert isinstance(parse_regularizer(text), keras.Regularizer)


@pytest.mark.parametrize("shrink", [None, "stride", "max", "average"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_shape_does_not_depend_on_the_shortcut(shrink: str | None, padding: str, kernel: int) -> None:
    """Every way to shrink halves the sides, rounded up, with or without a shortcut, and for any number of channels."""
    for side in (9, 12):
        length = side - (kernel - 1 if padding == "valid" else 0)
        expected = length if shrink is None else (length + 1) // 2
        for filters in (3, 5):
            for residual in (False, True):

                def block(x: keras.KerasTensor, filters: int = filters, residual: bool = residual) -> keras.KerasTensor:
                    return conv_block(x, filters, kernel=kernel, shrink=shrink, padding=padding, residual=residual, name="c")

                assert network((side, side, 3), block).output_shape == (None, expected, expected, filters)


def test_shortcut_passes_on_the_input() -> None:
    """With a kernel of zeros, the block returns its input."""
    model = network((6, 6, 3), lambda x: conv_block(x, 3, residual=True, name="c"))
    layer = model.get_layer("c")
    layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
    image = np.random.default_rng(0).uniform(0, 1, (1, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(model.predict(image, verbose=0), image, atol=1e-6)


@pytest.mark.parametrize("side", [20, 28, 64])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("shrink", ["stride", "max"])
@pytest.mark.parametrize("end", ["pool", "flatten"])
def test_cnn_accepts_any_size_from_20_pixels(side: int, padding: str, shrink: str, end: str) -> None:
    """Every combination of options can be built, and returns one row per image."""
    model = network((side, side, 3), lambda x: cnn(x, num_samples=100, padding=padding, shrink=shrink, end=end))
    assert len(model.output_shape) == 2
    assert model.output_shape[1] is not None


def test_cnn_grows_with_the_image() -> None:
    """A larger image has more stages, by its shorter side; the last map has 4 to 7 pixels up to a side of 224."""
    stages = {}
    for side in (20, 28, 64, 128, 224):
        model = network((side, 2 * side, 1), lambda x: cnn(x, num_samples=100))
        last = max(layer.name for layer in model.layers if layer.name.startswith("stage_"))
        stages[side] = int(last.removeprefix("stage_")[0])
        assert 4 <= model.get_layer("pool").input.shape[1] <= 7
    assert list(stages.values()) == sorted(stages.values())
    assert stages[224] > stages[20]


def test_cnn_scales_its_input() -> None:
    """Pixels of 0..255 go in, and the first layer scales them to -1..1."""
    model = network((20, 20, 3), lambda x: cnn(x, num_samples=100))
    scale = model.layers[1]
    assert isinstance(scale, keras.layers.Rescaling)
    np.testing.assert_allclose(scale(np.array([0.0, 255.0], np.float32)), [-1, 1], atol=1e-6)


def test_networks_use_given_widths_and_dropout() -> None:
    """Given values are used, and none is chosen automatically."""
    dense = network((6,), lambda x: dnn(x, num_samples=50, units=(7, 5), dropout=0.0))
    assert [layer.units for layer in dense.layers if isinstance(layer, keras.layers.Dense)] == [7, 5]
    assert "Dropout" not in kinds(dense)
    images = network((20, 20, 3), lambda x: cnn(x, num_samples=50, filters=(4, 6), dropout=0.0, residual=False))
    assert images.output_shape == (None, 6)
    assert not {"Dropout", "Add"} & set(kinds(images))


def test_more_samples_never_make_a_smaller_network() -> None:
    """The default width grows with the samples, within bounds."""
    widths = [network((6,), lambda x, n=n: dnn(x, num_samples=n)).get_layer("hidden_1").units for n in (1, 100, 1000, 10**6)]
    assert widths == sorted(widths)
    assert widths[0] >= 16
    assert widths[-1] <= 1024


def test_saved_networks_have_only_built_in_layers(tmp_path: Any) -> None:
    """A saved network is loaded without code of Headstart and gives the same predictions."""
    image = keras.Input((20, 20, 3))
    model = keras.Model(image, cnn(image, num_samples=100, shrink="average", padding="valid", regularizer="l1_l2:1e-5"))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded.predict(pictures, verbose=0), model.predict(pictures, verbose=0))


@pytest.mark.parametrize("choice", [{"shrink": "fold"}, {"padding": "reflect"}, {"end": "stop"}])
def test_unknown_choice_is_rejected(choice: dict[str, Any]) -> None:
    """The error lists the allowed values."""
    with pytest.raises(UsageError, match="H021"):
        network((20, 20, 3), lambda x: cnn(x, num_samples=100, **choice))


def test_image_that_is_too_small_is_rejected() -> None:
    """More unpadded stages than the image has pixels for are an error."""
    with pytest.raises(UsageError, match="H022"):
        network((20, 20, 3), lambda x: cnn(x, num_samples=100, padding="valid", filters=(4, 4, 4)))
