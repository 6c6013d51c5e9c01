"""The encoding in NumPy, ONNX Runtime and TensorFlow gives the same rows; merged graphs go from columns to predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from headstart.data.tables.preprocess import encode, typed
from headstart.data.tables.table import Table
from headstart.export.graphs.onnx_graphs import merge, onnx_encoder, onnx_trees
from headstart.export.graphs.tensorflow_graphs import tf_encoder
from headstart.export.graphs.tree_arrays import Trees
from headstart.features.tables.table_encoder import learn_encoding
from headstart.features.tables.table_features import one_hot_columns
from headstart.training.classical.boosted_trees import Fold, fit_trees

Array = np.ndarray[Any, Any]

AWKWARD = ("plain", "two words", "ß/ü:0", "rows", "encoder/1", "model/rows", "9")


def make(num_rows: int = 300, seed: int = 0) -> dict[str, Array]:
    """Columns of every kind and transform, with missing cells."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(4, num_rows))
    columns = {
        "plain": noise[0] * 5 + 1e6,
        "two words": np.exp(2 * noise[1] + 5),
        "ß/ü:0": np.exp(3 * noise[2]) * 1e-7,
        "rows": np.array([f"town {number}" for number in random.integers(0, 90, num_rows)], object),
        "encoder/1": random.choice(np.array(["a", "b", "ü", ""], object), num_rows),
        "model/rows": random.choice(np.array(["no", "yes"], object), num_rows),
        "9": (np.datetime64("2021-01-01T00:00") + random.integers(0, 2**21, num_rows)).astype(str).astype(object),
    }
    for name in ("plain", "two words", "9"):
        columns[name][:: random.integers(9, 20)] = np.nan if columns[name].dtype.kind == "f" else ""
    return columns


def learned() -> dict[str, Any]:
    """The encoding of these columns."""
    columns = make()
    encoding, _ = learn_encoding(Table(tuple(columns), tuple(columns.values())), np.arange(300) % 2, "binary")
    return encoding


ENCODING = learned()


def as_batch(columns: Mapping[str, Array]) -> dict[str, Array]:
    """Typed columns as the graphs take them."""
    return {name: cells[:, None] for name, cells in typed(columns, ENCODING).items()}


def onnx_function(model: Any) -> Callable[[Mapping[str, Array]], Array]:
    """The only output of a model by ONNX Runtime."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, Array]) -> Array:
        given_inputs = {name: cells.astype(object) if cells.dtype.kind == "U" else cells for name, cells in inputs.items()}
        (result,) = session.run(None, given_inputs)
        answers: Array = result
        return answers

    return run


@pytest.fixture(scope="module")
def in_onnx() -> Any:
    """The encoder in ONNX Runtime."""
    return onnx_function(onnx_encoder(ENCODING))


@pytest.fixture(scope="module")
def in_tensorflow() -> Any:
    """The encoder as a traced TensorFlow function."""
    return traced()[0]


def traced() -> tuple[Any, list[Any]]:
    """The encoder as a TensorFlow function for any number of rows, and its tables."""
    import tensorflow as tf

    encoder, tables = tf_encoder(ENCODING)
    types = {"number": tf.float32, "date": tf.float64, "category": tf.string}
    kinds = {spec["name"]: types[spec["kind"]] for spec in ENCODING["columns"]}
    signature = {name: tf.TensorSpec((None, 1), kind) for name, kind in kinds.items()}
    return tf.function(encoder, input_signature=[signature]), tables


def test_encoding_has_all_there_is() -> None:
    """Every kind of column and every transform is among those compared below."""
    specs = {spec["name"]: spec for spec in ENCODING["columns"]}
    assert tuple(specs) == AWKWARD
    assert [specs[name]["transform"] for name in AWKWARD[:3]] == ["none", "log", "quantile"]
    assert "codes" in specs["rows"]
    assert specs["model/rows"]["two_way"]
    assert (specs["plain"]["flag"], specs["ß/ü:0"]["flag"], specs["9"]["kind"], specs["9"]["flag"]) == (
        True,
        False,
        "date",
        True,
    )


def test_three_executions_agree(in_onnx: Any, in_tensorflow: Any) -> None:
    """On the rows learned from, and on others, one row alone among them, all three give the same."""
    for columns in (make(), make(seed=1), make(num_rows=1, seed=2)):
        rows, inputs = encode(columns, ENCODING), as_batch(columns)
        np.testing.assert_allclose(in_onnx(inputs), rows, atol=1e-5)
        np.testing.assert_allclose(in_tensorflow(inputs), rows, atol=1e-5)


NUMBERS = st.one_of(st.floats(), st.none(), st.integers(), st.sampled_from(["?", "x", "1e-42", 1e38, -1e38, 3.4e38]))
TEXTS = st.one_of(st.text(max_size=8), st.sampled_from(["town 1", "town 9", "a", "ü", "no", "yes", "", "N/A"]))
DATES = st.one_of(st.datetimes(), st.none(), st.text(max_size=4), st.floats())
ROWS = st.tuples(NUMBERS, NUMBERS, NUMBERS, TEXTS, TEXTS, TEXTS, DATES)


@pytest.mark.filterwarnings("ignore:.*(treated as missing|training data):UserWarning")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.lists(ROWS, min_size=1, max_size=6))
def test_three_executions_agree_on_anything(in_onnx: Any, in_tensorflow: Any, rows: list[tuple[Any, ...]]) -> None:
    """Whatever the cells are: missing, unseen, extreme, no number at all."""
    columns: dict[str, Any] = dict(zip(AWKWARD, zip(*rows, strict=True), strict=True))
    expected, inputs = encode(columns, ENCODING), as_batch(columns)
    np.testing.assert_allclose(in_onnx(inputs), expected, atol=1e-5)
    np.testing.assert_allclose(in_tensorflow(inputs), expected, atol=1e-5)


def test_shape_of_the_onnx_encoder() -> None:
    """An input a column, by its name; any number of rows; an output that no column is called."""
    graph = onnx_encoder(ENCODING).graph
    assert [tensor.name for tensor in graph.input] == list(AWKWARD)
    assert [tensor.name for tensor in graph.output] == ["rows_"]
    assert {tensor.type.tensor_type.shape.dim[0].dim_param for tensor in (*graph.input, *graph.output)} == {"batch"}


def test_saved_model(tmp_path: Path) -> None:
    """A SavedModel that holds the tables takes the columns by name, however they are called."""
    import tensorflow as tf

    module = tf.Module()
    module.encode, module.tables = traced()
    tf.saved_model.save(module, str(tmp_path / "saved"))
    columns = make(seed=3)
    inputs = {name: tf.constant(cells) for name, cells in as_batch(columns).items()}
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.encode(inputs), encode(columns, ENCODING), atol=1e-5)


def dense_model(width: int, ml_version: int | None = None) -> tuple[Any, Array]:
    """A softmax layer as tf2onnx might give it, and its kernel."""
    kernel = np.random.default_rng(0).normal(size=(width, 3)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "kernel"], ["rows"]), helper.make_node("Softmax", ["rows"], ["plain"], axis=1)]
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("plain", TensorProto.FLOAT, [None, 3])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    opsets = [helper.make_opsetid("", 18)] + ([helper.make_opsetid("ai.onnx.ml", ml_version)] if ml_version else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=9), kernel


@pytest.mark.parametrize("ml_version", [None, 2])
def test_encoder_and_network_as_one_graph(ml_version: int | None) -> None:
    """Columns in, answers out, under the name asked for, with any number of rows, whatever names there are inside."""
    model, kernel = dense_model(ENCODING["width"], ml_version)
    merged = merge(onnx_encoder(ENCODING), model, output="answers")
    onnx.checker.check_model(merged, full_check=True)
    assert [tensor.name for tensor in merged.graph.output] == ["answers"]
    assert {t.type.tensor_type.shape.dim[0].dim_param for t in (*merged.graph.input, *merged.graph.output)} == {"batch"}
    for num_rows in (1, 50):
        columns = make(num_rows, seed=4)
        logits = encode(columns, ENCODING).astype(np.float64) @ kernel
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(onnx_function(merged)(as_batch(columns)), expected, atol=1e-5)
    assert merge(onnx_encoder(ENCODING), model, output="plain").graph.output[0].name == "plain_"  # a column is called that


@pytest.mark.parametrize(("task", "num_outputs"), [("binary", 2), ("multiclass", 3), ("multilabel", 2), ("regression", 2)])
def test_trees(task: str, num_outputs: int) -> None:
    """ONNX Runtime answers what the trees do, on the values of thresholds too, and behind the encoder."""
    columns = make()
    rows = encode(columns, ENCODING)
    score = rows[:, 0] * rows[:, 3]
    labels = {
        "binary": (score > 0).astype(int),
        "multiclass": np.digitize(score, [-0.3, 0.3]),
        "multilabel": np.stack([score > 0, score < 1], axis=1).astype(int),
        "regression": np.stack([score, np.full(len(score), 0.25)], axis=1),
    }[task]
    trees = fit_trees([Fold(rows, labels, rows, labels)], task, num_outputs, seed=0, one_hot=one_hot_columns(ENCODING))[0]
    assert trees.columns[-1] + 1 < rows.shape[1]  # categories are read as codes
    model = onnx_trees(trees.weights(), "answers")
    other = np.concatenate([rows, np.tile(trees.thresholds[:200, None], (1, rows.shape[1]))])
    np.testing.assert_allclose(onnx_function(model)({"rows": other}), trees.predict(other), atol=1e-5)
    merged = merge(onnx_encoder(ENCODING), model, output="answers")
    np.testing.assert_allclose(onnx_function(merged)(as_batch(columns)), trees.predict(rows), atol=1e-5)


@pytest.mark.parametrize("link", ["sigmoid", "softmax", "identity"])
def test_each_link_has_its_node(link: str) -> None:
    """A leaf that is alone, behind each link: the names on both sides mean the same."""
    zero, base = np.zeros(1, np.int32), np.array([0.25, -1.0])
    reading = np.arange(3, dtype=np.int32), np.ones(3, np.float32)
    trees = Trees(zero, zero.astype(np.float32), zero, zero, zero > 0, np.array([0.5]), zero, zero, base, *reading, link)
    rows = np.zeros((2, 3), np.float32)
    answers = onnx_function(onnx_trees(trees.weights(), "y"))({"rows": rows})
    np.testing.assert_allclose(answers, trees.predict(rows), atol=1e-6)
