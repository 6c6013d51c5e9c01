"""The table encoder and boosted trees as ONNX graphs, and the merge of an encoder with the model that follows it.

The child process that converts models uses it. ``data.tables.preprocess`` defines what is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from headstart.data.tables.preprocess import CLIP, segments
from headstart.data.target_scaling import LARGEST_LOG
from headstart.export.graphs.tree_arrays import projection
from headstart.foundation.arrays import Array

__all__ = ["merge", "onnx_encoder", "onnx_trees"]

Spec = Mapping[str, Any]

_OPSET, _ML_OPSET, _IR = 18, 3, 8  # supported by every ONNX runtime of the last two years
_ML = "ai.onnx.ml"
_LINKS = ("Sigmoid", "Softmax", "Identity")  # by the index in ``Trees.weights``


class _Graph:
    """Builder of an ONNX graph; names of nodes begin with a prefix that no column name has."""

    def __init__(self, prefix: str, taken: Sequence[str] = ()) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names = map(f"{_unlike(prefix, taken)}{{}}".format, count())

    def add(self, operation: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        name = next(self._names)
        self.nodes.append(helper.make_node(operation, inputs, [name], domain=domain, **attributes))
        return name

    def constant(self, values: Any, dtype: Any = np.float64) -> str:
        """Add a constant array and return its name."""
        from onnx import numpy_helper

        name = next(self._names)
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def model(self, inputs: list[Any], result: str, output: str, width: int) -> Any:
        """Build the model, with an output named ``output``, float32 ``(batch, width)``."""
        import onnx
        from onnx import TensorProto, helper

        self.nodes.append(helper.make_node("Identity", [result], [output]))
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])]
        graph = helper.make_graph(self.nodes, "headstart", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_ML, _ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR, producer_name="headstart")
        onnx.checker.check_model(model)
        return model


def onnx_encoder(encoding: Mapping[str, Any]) -> Any:
    """Build an ONNX model from typed columns to encoded rows.

    Returns:
        A ``ModelProto`` with an input ``(batch, 1)`` per column, named like the column, of the type that
        ``preprocess.typed`` returns (float32, float64 or string), and the output ``rows``, float32 ``(batch, width)``. If a
        column is called ``rows``, the output has another name.
    """
    from onnx import TensorProto, helper

    names = [spec["name"] for spec in encoding["columns"]]
    graph = _Graph("encoder/", names)
    dense: list[str] = []
    codes: list[str] = []
    for spec in encoding["columns"]:
        dense += _ONNX_BLOCKS[spec["kind"]](graph, spec["name"], spec)
        if "codes" in spec:
            codes.append(_onnx_lookup(graph, spec["name"], spec["codes"], range(1, len(spec["codes"]) + 1), 0.0))
    rows = graph.add("Concat", *dense, *codes, axis=1)
    types = {"number": TensorProto.FLOAT, "date": TensorProto.DOUBLE, "category": TensorProto.STRING}
    given = [helper.make_tensor_value_info(spec["name"], types[spec["kind"]], ["batch", 1]) for spec in encoding["columns"]]
    return graph.model(given, rows, _free("rows", names), encoding["width"])


def _onnx_number(graph: _Graph, column: str, spec: Spec) -> list[str]:
    filled, missing = _onnx_filled(graph, column, spec)
    return [_onnx_standardised(graph, _onnx_transformed(graph, filled, spec), spec), *_onnx_flag(graph, missing, spec)]


def _onnx_date(graph: _Graph, column: str, spec: Spec) -> list[str]:
    filled, missing = _onnx_filled(graph, column, spec)
    blocks = [_onnx_standardised(graph, filled, spec)]
    for period in spec["periods"]:
        turns = graph.add("Div", filled, graph.constant(period))
        part = graph.add("Sub", turns, graph.add("Floor", turns))
        angle = graph.add("Mul", part, graph.constant(2 * math.pi))
        blocks.append(
            _onnx_single(graph, graph.add("Sub", graph.add("Mul", part, graph.constant(2.0)), graph.constant(1.0)))
        )
        quarter_on = graph.add("Add", angle, graph.constant(math.pi / 2))  # not every runtime has a cosine in float64
        blocks += [_onnx_single(graph, graph.add("Sin", turned)) for turned in (angle, quarter_on)]
    return [*blocks, *_onnx_flag(graph, missing, spec)]


def _onnx_category(graph: _Graph, column: str, spec: Spec) -> list[str]:
    levels = spec["levels"]
    if spec["two_way"]:
        return [_onnx_lookup(graph, column, levels, (0.0, 1.0), 0.5)]
    place = _onnx_lookup(graph, column, levels, range(len(levels)), len(levels))
    places = graph.constant(np.arange(len(levels) + 1)[None], np.float32)
    return [_onnx_single(graph, graph.add("Equal", place, places))]


def _onnx_lookup(graph: _Graph, column: str, keys: Sequence[str], values: Sequence[float], default: float) -> str:
    return graph.add(
        "LabelEncoder",
        column,
        domain=_ML,
        keys_strings=list(keys),
        values_floats=[float(value) for value in values],
        default_float=float(default),
    )


def _onnx_filled(graph: _Graph, column: str, spec: Spec) -> tuple[str, str]:
    """Column in float64 with missing values filled, and the mask of missing values."""
    from onnx import TensorProto

    missing = graph.add("IsNaN", column)
    values = graph.add("Cast", column, to=TensorProto.DOUBLE)
    return graph.add("Where", missing, graph.constant(spec["fill"]), values), missing


def _onnx_transformed(graph: _Graph, values: str, spec: Spec) -> str:
    if spec["transform"] == "log":
        above_one = graph.add("Add", graph.add("Abs", values), graph.constant(1.0))
        return graph.add("Mul", graph.add("Sign", values), graph.add("Log", above_one))
    if spec["transform"] == "quantile":
        knots, widths, slopes = np.array(segments(spec)).T
        beyond = graph.add("Sub", values, graph.constant(knots[None]))
        within = graph.add("Min", graph.add("Max", beyond, graph.constant(0.0)), graph.constant(widths[None]))
        rises = graph.add("MatMul", within, graph.constant(slopes[:, None]))
        return graph.add("Add", rises, graph.constant(spec["values"][0]))
    return values


def _onnx_standardised(graph: _Graph, values: str, spec: Spec) -> str:
    centred = graph.add("Sub", values, graph.constant(spec["offset"]))
    scaled = graph.add("Div", centred, graph.constant(spec["scale"]))
    return _onnx_single(graph, graph.add("Clip", scaled, graph.constant(-CLIP), graph.constant(CLIP)))


def _onnx_flag(graph: _Graph, missing: str, spec: Spec) -> list[str]:
    return [_onnx_single(graph, missing)] if spec["flag"] else []


def _onnx_single(graph: _Graph, values: str) -> str:
    from onnx import TensorProto

    return graph.add("Cast", values, to=TensorProto.FLOAT)


_ONNX_BLOCKS: dict[str, Callable[[_Graph, str, Spec], list[str]]] = {
    "number": _onnx_number,
    "date": _onnx_date,
    "category": _onnx_category,
}


def onnx_trees(weights: Sequence[Array], output: str, scaling: Mapping[str, Any] | None = None) -> Any:
    """Build an ONNX model of boosted trees, from ``rows``, float32 ``(batch, width)``, to predictions.

    Args:
        weights: Arrays from ``Trees.weights``.
        output: Name of the output, float32 ``(batch, units)``.
        scaling: Target scaling of a regression, from a signature, by which predictions are converted to the user's units.
            Defaults to None.
    """
    from onnx import TensorProto, helper

    features, thresholds, left, right, missing_left, values, roots, outputs, base, columns, factors, link = weights
    nodes = np.arange(len(features))
    tree_of = np.searchsorted(roots, nodes, "right") - 1
    place = nodes - roots[tree_of]
    is_leaf = left == nodes
    graph = _Graph("trees/")
    matrix, rows = projection(columns, factors), "rows"
    if matrix is not None:  # in float64: a GPU rounds products of float32 to ten bits
        wide = graph.add("MatMul", graph.add("Cast", rows, to=TensorProto.DOUBLE), graph.constant(matrix, np.float64))
        rows = graph.add("Cast", wide, to=TensorProto.FLOAT)
    added = graph.add(
        "TreeEnsembleRegressor",
        rows,
        domain=_ML,
        n_targets=len(base),
        nodes_treeids=tree_of.tolist(),
        nodes_nodeids=place.tolist(),
        nodes_featureids=features.tolist(),
        nodes_values=thresholds.tolist(),
        nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_truenodeids=np.where(is_leaf, 0, left - roots[tree_of]).tolist(),
        nodes_falsenodeids=np.where(is_leaf, 0, right - roots[tree_of]).tolist(),
        nodes_missing_value_tracks_true=(missing_left & ~is_leaf).astype(int).tolist(),
        target_treeids=tree_of[is_leaf].tolist(),
        target_nodeids=place[is_leaf].tolist(),
        target_ids=outputs[tree_of[is_leaf]].tolist(),
        target_weights=values[is_leaf].tolist(),
    )
    # The base is added separately because ONNX Runtime ignores a node's base value for an output without trees.
    sums = graph.add("Add", added, graph.constant(base[None], np.float32))
    operation = _LINKS[int(link[0])]
    answers = graph.add(operation, sums, axis=1) if operation == "Softmax" else graph.add(operation, sums)
    if scaling is not None:
        answers = _onnx_units(graph, answers, scaling)
    given = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", "width"])
    return graph.model([given], answers, output, len(base))


def _onnx_units(graph: _Graph, values: str, scaling: Mapping[str, Any]) -> str:
    """Convert regression values to the user's units."""
    single = np.float32
    stretched = graph.add("Mul", values, graph.constant(scaling["deviation"], single))
    plain = graph.add("Add", stretched, graph.constant(scaling["offset"], single))
    bounds = graph.constant(0.0, single), graph.constant(LARGEST_LOG, single)
    grown = graph.add("Sub", graph.add("Exp", graph.add("Clip", plain, *bounds)), graph.constant(1.0, single))
    return graph.add("Where", graph.constant(scaling["log1p"], np.bool_), grown, plain)


def merge(encoder: Any, model: Any, *, output: str) -> Any:
    """Merge an encoder and the model of its rows into one ONNX model, from columns to predictions.

    Args:
        encoder: Model from ``onnx_encoder``.
        model: A ``ModelProto`` with one input, rows, and one output.
        output: Name of the output; if a column has it, the output gets another name.

    Returns:
        A ``ModelProto`` that passes ONNX's checker, with a dynamic batch dimension.
    """
    import onnx
    from onnx import compose

    first, columns = onnx.ModelProto(), [given.name for given in encoder.graph.input]
    first.CopyFrom(encoder)
    second = compose.add_prefix(model, _unlike("model/", columns))
    _agree_on_versions(first, second)
    joined = compose.merge_models(first, second, io_map=[(first.graph.output[0].name, second.graph.input[0].name)])
    _rename_output(joined, _free(output, columns))
    for tensor in (*joined.graph.input, *joined.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(joined)
    return joined


def _agree_on_versions(first: Any, second: Any) -> None:
    """Give both models the same versions of the format and operator sets; the encoder's operations exist in all of them."""
    first.ir_version = second.ir_version = max(first.ir_version, second.ir_version)
    versions = {entry.domain: entry.version for entry in second.opset_import}
    uses_ml = any(node.domain == _ML for node in second.graph.node)
    for entry in first.opset_import:
        entry.version = versions.get(entry.domain, entry.version) if entry.domain != _ML or uses_ml else entry.version
    if not uses_ml:
        kept = [entry for entry in second.opset_import if entry.domain != _ML]
        del second.opset_import[:]
        second.opset_import.extend(kept)


def _rename_output(model: Any, name: str) -> None:
    (output,) = model.graph.output
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, given in enumerate(names):
                names[place] = name if given == output.name else given
    output.name = name


def _unlike(prefix: str, names: Sequence[str]) -> str:
    """Extend a prefix until none of the names begins with it."""
    while any(name.startswith(prefix) for name in names):
        prefix = f"_{prefix}"
    return prefix


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name
