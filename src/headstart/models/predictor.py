"""The whole: answers from the exported graph, or from Keras where there is none. Files or rows in, bad files named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.images.decode_pool import DecodePool, decode_array
from headstart.data.images.decode_queue import Decoded
from headstart.data.images.geometry import Geometry
from headstart.data.readers.table import Known
from headstart.data.readers.target_column import NumberFormats
from headstart.data.tables.table import Table
from headstart.data.tasks import TASKS
from headstart.export.signature_reader import read_signature, thresholds_of
from headstart.features.engines import OpenVINOEngine, read_graph
from headstart.features.tables.table_features import cells_to_read
from headstart.foundation.arrays import Array
from headstart.foundation.machine import usable_cores
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.run_folder import RunFolder
from headstart.models.keras_graph import KerasGraph
from headstart.models.predictions import Prediction, verdicts
from headstart.models.signature import has_graph

__all__ = ["Predictor"]


class Predictor:
    """A run's model, ready to answer.

    Args:
        folder: A run, or a folder of exports that holds model.xml, or model.onnx for a table.

    Attributes:
        classes: Names of classes, labels or targets in the order of the answers.
        task: A key of ``TASKS``.
        thresholds: As ``verdicts`` takes them.
        encoding: Of a table; None for images.

    Raises:
        RunError: The folder holds no signature or no graph that can be used (H502), or one was changed (H506).
        ExportError: There is no graph, and neither could one be made (H402, H406) nor can Keras load the model (H409).
    """

    def __init__(self, folder: Path) -> None:
        signature = read_signature(folder)
        self.classes: tuple[str, ...] = tuple(signature["labels"])
        self.task: str = signature["task"]
        self.thresholds = thresholds_of(signature)
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
        """What names a sample: ``path``, or ``row`` for a table."""
        return "row" if self.encoding else "path"

    def known(self, targets: Sequence[str] = (), image: str | None = None) -> Known:
        """What the model knows of its data.

        Args:
            targets: Target columns of a table of images; a model of features knows its own.
            image: The column of its paths.
        """
        reads = tuple(spec["name"] for spec in self.encoding["columns"]) if self.encoding else ()
        targets = self._targets or tuple(targets)
        known = (self.classes, self.task, targets, image, self._columns, reads, self._set_aside)
        return Known(*known, self._formats, self._group)

    def answer(self, dataset: Dataset) -> list[Prediction]:
        """Answers for the samples of a data set, of the kind that the model knows."""
        if dataset.table is not None:
            return self.predict_rows(dataset.table)
        return self.predict(dataset.paths) if dataset.arrays is None else self.predict_arrays(dataset.arrays)

    def predict(self, paths: Sequence[str]) -> list[Prediction]:
        """Answers in the order of ``paths``, one each; a file that cannot be read has an error in place of an answer."""
        workers = max(1, min(usable_cores(), len(paths)))
        with DecodePool(self.geometry, workers) as pool:
            return self._answered(paths, pool.decode(paths))

    def predict_arrays(self, images: Sequence[Array] | Array) -> list[Prediction]:
        """The same for images in memory, as ``pixels.from_array`` takes them; their numbers stand for paths."""
        decoded = (decode_array(i, image, self.geometry) for i, image in enumerate(images))
        return self._answered([f"[{i}]" for i in range(len(images))], decoded)

    def _answered(self, paths: Sequence[str], samples: Iterable[Decoded]) -> list[Prediction]:
        errors: dict[int, str] = {}

        def images() -> Iterator[tuple[int, Array]]:
            for decoded in samples:
                if decoded.pixels is None:
                    errors[decoded.index] = decoded.reason
                else:
                    yield decoded.index, decoded.pixels

        outputs = dict(self._engine.run(images()))
        known = list(outputs)
        answers = self._told(np.stack([outputs[i] for i in known])) if known else []
        found = dict(zip(known, answers, strict=True))
        return [
            Prediction(path, *found[i], "") if i in found else Prediction(path, None, None, errors.get(i, ""))
            for i, path in enumerate(paths)
        ]

    def predict_rows(self, table: Table) -> list[Prediction]:
        """Answers for the rows of a table, in their order.

        Raises:
            DatasetError: A column that the model reads is not there (H115).
        """
        cells = cells_to_read(table, self.encoding or {})
        with reading(self._graph):
            output = self._output(cells) if len(table) else np.zeros((0, TASKS[self.task].units(len(self.classes))))
        told = self._told(output)
        return [Prediction(str(n), *answer, "") for n, answer in zip(table.row_numbers(), told, strict=True)]

    def _told(self, output: Array) -> list[tuple[str, Array]]:
        answers = TASKS[self.task].to_answers(output)
        return list(zip(verdicts(self.task, self.classes, answers, self.thresholds), answers, strict=True))


def _onnx_output(file: Path, signature: dict[str, Any]) -> Callable[[Mapping[str, Array]], Array]:
    """From typed columns of a table to outputs, by the graph that holds the encoder too.

    It takes the columns that the signature lists and gives an output for each label.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    takes = {given.name: given.type for given in session.get_inputs()}
    if takes != {column["name"]: _ONNX_TYPES.get(column["dtype"]) for column in signature["columns"]}:
        raise ValueError(f"it takes {', '.join(takes) or 'nothing'}, and the signature lists other columns")
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
    """The graph of images, which takes the square that the signature tells of and gives an output for each label."""
    graph = read_graph(path)
    takes = [list(given.shape) for given in graph.inputs]
    if takes != [[1, *signature["input"]["shape"][1:]]]:
        raise ValueError(f"it takes {takes}, and the signature says {signature['input']['shape']}")
    _check_outputs([list(output.shape) for output in graph.outputs], signature)
    return OpenVINOEngine(graph, "predict")


def _check_outputs(shapes: list[list[Any]], signature: dict[str, Any]) -> None:
    if [shape[1:] for shape in shapes] != [signature["output"]["shape"][1:]]:
        raise ValueError(f"it gives {shapes}, and the signature says {signature['output']['shape']}")
