"""Predictor: a saved model's predictions from its graph, or from Keras if it has no graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.images.decode_pool import DecodePool, decode_array
from headstart.data.images.decode_queue import Decoded
from headstart.data.images.geometry import Geometry
from headstart.data.readers.labels.target_column import NumberFormats
from headstart.data.readers.tables.table import Known
from headstart.data.tables.table import Table
from headstart.data.target_scaling import Scaling
from headstart.data.tasks import TASKS
from headstart.evaluation.uncertainty.conformal import Conformal, PredictionSets
from headstart.evaluation.uncertainty.novelty import NAME
from headstart.export.signature_reader import outputs_of, read_signature, thresholds_of
from headstart.features.engines import OpenVINOEngine, read_graph, side_by_side
from headstart.features.tables.table_features import cells_to_read
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError
from headstart.foundation.machine import usable_cores
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.run_folder import RunFolder
from headstart.models.keras_graph import KerasGraph
from headstart.models.predictions import Prediction, verdicts
from headstart.models.signature import has_graph

__all__ = ["Predictor"]


class Predictor:
    """Predict with the model of a run or of an export.

    Args:
        folder: A run, or an export folder that contains model.xml, or model.onnx for a table.

    Attributes:
        classes: Names of classes, labels or targets in the order of a prediction's columns.
        task: A key of ``TASKS``.
        thresholds: As ``verdicts`` takes them.
        encoding: Encoding of the table; None for images.

    Raises:
        RunError: The signature or the graph is missing or unusable (H502), or was changed (H506).
        ExportError: There is no graph, none could be created (H402, H406), and Keras cannot load the model (H409).
    """

    def __init__(self, folder: Path) -> None:
        signature = read_signature(folder)
        self.classes: tuple[str, ...] = tuple(signature["labels"])
        self.task: str = signature["task"]
        self.thresholds = thresholds_of(signature)
        self._unknown: dict[str, Any] | None = signature.get("unknown")
        self._conformal = Conformal.from_json(signature.get("conformal"))
        scaling = signature.get("scaling_of_targets")
        self._scaling = None if scaling is None else Scaling.from_json(scaling)
        self.encoding: dict[str, Any] | None = signature.get("encoding")
        self._columns = tuple(signature.get("table_columns", ()))
        self._targets = tuple(signature.get("target", ()))
        self._set_aside = tuple(signature.get("set_aside", ()))
        self._group = str(signature.get("group", ""))
        self._formats = NumberFormats(signature.get("target_formats", {}), (self.encoding or {}).get("separator", ""))
        self._engine: KerasGraph | OpenVINOEngine
        if not self.encoding:
            self.geometry = Geometry.from_json(signature)
        files, run = ("model.onnx",) if self.encoding else ("model.xml", "model.bin"), RunFolder(folder)
        self._graph = folder / files[0]
        if not has_graph(folder):
            self._graph = folder / "model.keras"
            run.check(self._graph.name)
            graph = KerasGraph(self._graph)
            self._engine = graph
            if self.encoding:
                self._output = graph.rows_of(self.encoding)
            return
        run.check(*files)
        with reading(self._graph):
            if self.encoding:
                self._output = _onnx_output(self._graph, signature)
            else:
                self._engine = _read_engine(self._graph, signature)

    @property
    def key(self) -> str:
        """Name of the column that identifies samples: ``path``, or ``row`` for a table."""
        return "row" if self.encoding else "path"

    def known(self, targets: Sequence[str] = (), image: str | None = None) -> Known:
        """Return what the model stores about its data, which a reader needs to read new data in the same way.

        Args:
            targets: Target columns of a table of image paths; a table model stores its own. Defaults to none.
            image: The column of image paths. Defaults to None.
        """
        reads = tuple(spec["name"] for spec in self.encoding["columns"]) if self.encoding else ()
        targets = self._targets or tuple(targets)
        known = (self.classes, self.task, targets, image, self._columns, reads, self._set_aside)
        return Known(*known, self._formats, self._group)

    def prediction_sets(self, coverage: float | None) -> PredictionSets | None:
        """Sets or intervals with a chosen coverage; None if none is chosen.

        Raises:
            UsageError: The coverage is out of range (H048), or there were too few held-out samples for it (H049).
        """
        if coverage is None:
            return None
        return self._conformal.with_coverage(coverage, self.task, self.classes, self._scaling)

    def marked(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Predict ``unknown`` in place of a class for images whose score is at or above the threshold.

        Raises:
            UsageError: The model has no score of unknown images (H050).
        """
        if self._unknown is None:
            raise UsageError(
                "H050",
                "the model has no score of unknown images",
                received="--unknown, and a model that was fitted without it",
                expected="a model of images that was fitted with --unknown",
                advice="headstart fit DATA --unknown",
            )
        least = self._unknown["threshold"]
        return [one if one.unknown is None or one.unknown < least else one._replace(predicted=NAME) for one in predictions]

    def answer(self, dataset: Dataset) -> list[Prediction]:
        """Predict the samples of a data set: files, arrays or rows of a table."""
        if dataset.table is not None:
            return self.predict_rows(dataset.table)
        if dataset.arrays is not None:
            return self.predict_arrays(dataset.arrays)
        return self._predict_files(dataset.files, dataset.paths)

    def predict(self, paths: Sequence[str]) -> list[Prediction]:
        """Predict image files, one prediction per path, in order. A file that cannot be read has an error instead."""
        return self._predict_files(paths, paths)

    def _predict_files(self, files: Sequence[str], paths: Sequence[str]) -> list[Prediction]:
        workers = max(1, min(usable_cores(), len(files)))
        with DecodePool(self.geometry, workers) as pool:
            return self._predictions(paths, pool.decode(files))

    def predict_arrays(self, images: Sequence[Array] | Array) -> list[Prediction]:
        """Predict images in memory, in any form that ``read_arrays`` takes. Their positions are used as paths."""
        decoded = (decode_array(i, image, self.geometry) for i, image in enumerate(images))
        return self._predictions([f"[{i}]" for i in range(len(images))], decoded)

    def _predictions(self, paths: Sequence[str], samples: Iterable[Decoded]) -> list[Prediction]:
        errors: dict[int, str] = {}

        def images() -> Iterator[tuple[int, Array]]:
            for decoded in samples:
                if decoded.pixels is None:
                    errors[decoded.index] = decoded.reason
                else:
                    yield decoded.index, decoded.pixels

        outputs = dict(self._engine.run(images()))
        readable = list(outputs)
        answers = self._verdicts(np.stack([outputs[i] for i in readable])) if readable else []
        by_index = dict(zip(readable, answers, strict=True))
        return [
            by_index[i]._replace(path=path) if i in by_index else Prediction(path, None, None, errors.get(i, ""))
            for i, path in enumerate(paths)
        ]

    def predict_rows(self, table: Table) -> list[Prediction]:
        """Predict the rows of a table, in order.

        Raises:
            DatasetError: A column that the model reads is missing (H115).
        """
        cells = cells_to_read(table, self.encoding or {})
        with reading(self._graph):
            output = self._output(cells) if len(table) else np.zeros((0, TASKS[self.task].units(len(self.classes))))
        answers = self._verdicts(output)
        return [answer._replace(path=str(n)) for n, answer in zip(table.row_numbers(), answers, strict=True)]

    def _verdicts(self, output: Array) -> list[Prediction]:
        """Predictions without a path from outputs side by side, ``(n, columns)``."""
        units = TASKS[self.task].units(len(self.classes))
        answers = TASKS[self.task].to_answers(output[:, :units])
        texts = verdicts(self.task, self.classes, answers, self.thresholds)
        scores = [None] * len(output) if self._unknown is None else output[:, units].tolist()
        rows = zip(texts, answers, scores, strict=True)
        return [Prediction("", text, answer, "", score) for text, answer, score in rows]


def _onnx_output(file: Path, signature: dict[str, Any]) -> Callable[[Mapping[str, Array]], Array]:
    """Return a function from the typed columns of a table to outputs, by a graph that contains the encoder.

    Inputs and outputs of the graph must be those that the signature lists.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    takes = {given.name: given.type for given in session.get_inputs()}
    if takes != {column["name"]: _ONNX_TYPES.get(column["dtype"]) for column in signature["columns"]}:
        raise ValueError(f"its inputs are {', '.join(takes) or 'none'}, but the signature lists other columns")
    _check_outputs([output.shape for output in session.get_outputs()], signature)

    def output(cells: Mapping[str, Array]) -> Array:
        feeds = {
            name: column.reshape(-1, 1).astype(object if column.dtype.kind == "U" else column.dtype)
            for name, column in cells.items()
        }
        return np.asarray(session.run(None, feeds)[0])

    return output


_ONNX_TYPES = {"string": "tensor(string)", "float32": "tensor(float)", "float64": "tensor(double)"}


def _read_engine(path: Path, signature: dict[str, Any]) -> OpenVINOEngine:
    """Read the graph of an image model, whose input and outputs must be those of the signature, as one with one output."""
    graph = read_graph(path)
    takes = [list(given.shape) for given in graph.inputs]
    if takes != [[1, *signature["input"]["shape"][1:]]]:
        raise ValueError(f"its input has the shape {takes}, but the signature says {signature['input']['shape']}")
    names = list(outputs_of(signature)) if "unknown" in signature else []  # a single output may have any name
    named = [graph.output(name) for name in names] or graph.outputs
    _check_outputs([list(output.shape) for output in named], signature)
    return OpenVINOEngine(side_by_side(graph, names), "predict")


def _check_outputs(shapes: list[list[Any]], signature: dict[str, Any]) -> None:
    listed = outputs_of(signature)
    if [shape[1:] for shape in shapes] != [shape[1:] for shape in listed.values()]:
        raise ValueError(f"its outputs have the shapes {shapes}, but the signature says {listed}")
