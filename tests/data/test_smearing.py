"""Log-scaled targets: predictions are means where that is better in the user's units."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest

from headstart.data.target_scaling import LARGEST_LOG, Scaling, fit_scaling, smeared
from headstart.export.graphs.onnx_graphs import onnx_trees
from headstart.export.graphs.tensorflow_graphs import tf_trees
from headstart.training.classical.boosted_trees import Fold, fit_trees
from headstart.training.networks.outputs import in_units

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]


def log_normal(num_rows: int, sigma: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Medians of log-normal values, and the values themselves; each ``(n, 1)``."""
    random = np.random.default_rng(seed)
    median = np.exp(random.normal(5, 0.7, (num_rows, 1)))
    return median, median * np.exp(random.normal(0, sigma, (num_rows, 1)))


def test_smeared_predictions_of_a_log_normal_target_add_up() -> None:
    """The exponential of the mean logarithm is the median, whose sum is 39% too low; the factor is e^(1/2)."""
    median, values = log_normal(4000)
    scaling = fit_scaling(values)
    assert scaling.logs == (True,)
    assert scaling.predicts == ("median",)
    corrected = smeared(scaling, values, scaling.apply(median))
    assert corrected.factors[0] == pytest.approx(np.exp(0.5), rel=0.05)
    assert corrected.predicts == ("mean",)
    new_median, new_values = log_normal(40_000, seed=1)
    scaled = scaling.apply(new_median)
    assert scaling.invert(scaled).sum() < 0.65 * new_values.sum()
    assert corrected.invert(scaled).sum() == pytest.approx(new_values.sum(), rel=0.05)


def test_median_is_kept_where_its_squared_error_is_lower() -> None:
    """Small values vary by factors and large ones not at all: the factor of the small would be wrong for the large."""
    random = np.random.default_rng(0)
    median = np.concatenate([np.full((500, 1), 3.0), np.full((500, 1), 5000.0)])
    values = median.copy()
    values[:500] *= np.exp(random.normal(0, 1.0, (500, 1)))
    scaling = Scaling((True,), (0.0,), (1.0,))
    assert smeared(scaling, values, scaling.apply(median)).predicts == ("median",)


def test_each_target_is_judged_for_itself() -> None:
    """A plain target is left alone, and a single sample corrects nothing."""
    median, values = log_normal(500)
    scaling = Scaling((True, False, True), (0.0, 1.0, 0.0), (1.0, 2.0, 1.0))
    truth = np.concatenate([values, values, median], axis=1)
    predicted = np.concatenate([np.log1p(median), (values - 1) / 2, np.log1p(median)], axis=1)
    found = smeared(scaling, truth, predicted)
    assert found.predicts[:2] == ("mean", None)
    assert found.factors[1:] == pytest.approx((1.0, 1.0))
    assert smeared(scaling, truth[:1], predicted[:1]).factors == (1.0, 1.0, 1.0)
    assert Scaling.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("outlier", [1e30, 0.0])
def test_outliers_leave_finite_predictions(outlier: float) -> None:
    """A value that is off by thirty decades does not make the others infinite."""
    median, values = log_normal(50)
    scaling = fit_scaling(values)
    values[0] = outlier
    found = smeared(scaling, values, scaling.apply(median))
    assert np.isfinite(found.factors).all()
    assert np.isfinite(found.invert(np.array([[-1e3], [0.0], [1e3]]))).all()
    assert found.invert(np.array([[1e9]]))[0, 0] == pytest.approx(np.expm1(LARGEST_LOG), rel=1e-5)


def test_shipped_layers_and_trees_give_the_means() -> None:
    """Keras's layers, the ONNX graph and the TensorFlow graph of trees all end as ``Scaling.invert`` does."""
    import onnxruntime
    import tensorflow as tf

    scaling = Scaling((True, False), (3.0, 1.0), (0.8, 2.0), smearing=(1.7, 1.0))
    scaled = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    given = keras.Input((2,))
    model = in_units(keras.Model(given, keras.layers.Identity()(given)), scaling)
    np.testing.assert_allclose(model.predict(scaled, verbose=0), scaling.invert(scaled), rtol=1e-5)
    trees = fit_trees([Fold(scaled, scaled, scaled, scaled)], "regression", 2, seed=0)[0]
    expected = scaling.invert(trees.predict(scaled))
    graph = onnx_trees(trees.weights(), "values", scaling.to_json())
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"rows": scaled})[0], expected, rtol=1e-4)
    np.testing.assert_allclose(tf_trees(trees.weights(), scaling.to_json())(tf.constant(scaled)), expected, rtol=1e-4)
