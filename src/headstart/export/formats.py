"""FORMATS: the formats that a model can be written in, and how each is written, on TensorFlow."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

__all__ = ["FORMATS", "NO_COUNTERPART", "TENSORRT_NOTE", "Format", "ModelToWrite", "tensorrt_command"]

NO_COUNTERPART = "the format lacks what the network needs"  # so a reason begins that is the network's own

_ENGINE_BATCHES = {"min": 1, "opt": 8, "max": 64}

TENSORRT_NOTE = (
    "Headstart has not run this command: it needs NVIDIA's TensorRT (the pip package has no trtexec) and the GPU that the "
    "engine is for. It keeps float32. Half precision is faster and changes the answers: TensorRT 10 takes --fp16 for it, "
    "TensorRT 11 a model.onnx that NVIDIA's ModelOpt has converted. Compare the engine's answers with those in golden.npz."
)


@dataclass(frozen=True)
class ModelToWrite:
    """A trained model on disk, loaded and traced once for all the formats that need it.

    Attributes:
        keras_file: The model, of built-in layers only, with one input; of trees their arrays, ``model.npz``.
        output: What its only output is to be called; empty for the names that the model has.
        labels: Class names in the order of the outputs.
        table: Of a table: its ``encoding``, the ``arguments`` that a SavedModel is to have for its columns, and
            ``scaling_of_targets`` or None.
    """

    keras_file: Path
    output: str = ""
    labels: tuple[str, ...] = ()
    table: dict[str, Any] | None = None

    @cached_property
    def model(self) -> Any:
        """The Keras model, loaded without running any code from the file."""
        import keras

        from headstart.export.tensorflow_to_onnx import inline_constants

        model = keras.models.load_model(self.keras_file, compile=False, safe_mode=True)
        model.trainable = False
        inline_constants(model)
        return model

    @cached_property
    def trees(self) -> list[Any]:
        """The arrays of trees; none where the model is a network."""
        import numpy as np

        if self.keras_file.suffix != ".npz":
            return []
        with np.load(self.keras_file, allow_pickle=False) as arrays:
            return [arrays[name] for name in arrays.files]

    @cached_property
    def on_columns(self) -> tuple[Any, list[Any]]:
        """For a table: from its columns, by the names of the arguments, to named outputs; and what that has to hold."""
        import tensorflow as tf

        from headstart.export.tensorflow_graphs import tf_encoder, tf_trees
        from headstart.export.tensorflow_to_onnx import inlined

        table = self.table or {}
        encode, held = tf_encoder(table["encoding"])
        answer: Callable[[Any], Any]
        answer = tf_trees(self.trees, table["scaling_of_targets"]) if self.trees else partial(self.model, training=False)
        specs = table["encoding"]["columns"]
        kinds = {"number": tf.float32, "date": tf.float64, "category": tf.string}
        arguments = {
            argument: tf.TensorSpec((None, 1), kinds[spec["kind"]], name=argument)
            for argument, spec in zip(table["arguments"], specs, strict=True)
        }

        def forward(**columns: Any) -> dict[str, Any]:
            named = {spec["name"]: columns[argument] for argument, spec in zip(table["arguments"], specs, strict=True)}
            return {self.output: answer(encode(named))}

        with inlined():
            return tf.function(forward).get_concrete_function(**arguments), held

    @cached_property
    def function(self) -> Any:
        """The forward pass in TensorFlow: a named input to a dictionary of named outputs, for any batch size."""
        import keras
        import tensorflow as tf

        from headstart.export.tensorflow_to_onnx import inlined

        (given,) = self.model.inputs
        names = [self.output] if self.output else self.model.output_names
        spec = tf.TensorSpec((None, *given.shape[1:]), given.dtype, name=given.name)

        def forward(batch: Any) -> dict[str, Any]:
            outputs = keras.tree.flatten(self.model(batch, training=False))
            return dict(zip(names, outputs, strict=True))

        function = tf.function(forward, input_signature=[spec])
        with inlined():
            function.get_concrete_function()  # traced here, once for all formats
        return function


@dataclass(frozen=True)
class Format:
    """One format to ship.

    Attributes:
        name: What the user asks for.
        file: Name of the file or folder.
        write: Writes it.
        runtime: What reads it again: a key of ``RUNTIMES`` in ``verify_export``.
        beside: Names of further files that ``write`` leaves next to it.
        takes_columns: Of a table it takes the columns themselves, and can hold trees; others take encoded rows.
    """

    name: str
    file: str
    write: Callable[[ModelToWrite, Path], None]
    runtime: str
    beside: tuple[str, ...] = ()
    takes_columns: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """Every name that belongs to the format; the one that a reader opens comes last."""
        return (*self.beside, self.file)


def _write_keras(trained: ModelToWrite, path: Path) -> None:
    shutil.copyfile(trained.keras_file, path)  # not saved anew: the file that was measured is the file that ships


def _write_h5(trained: ModelToWrite, path: Path) -> None:
    trained.model.save(path)


def _write_saved_model(trained: ModelToWrite, path: Path) -> None:
    import tensorflow as tf

    # Only the variables and the traced function: a third of the time that saving the tree of Keras layers takes.
    module = tf.Module()
    function, module.lookups = (trained.function, []) if trained.table is None else trained.on_columns
    module.all_variables = [] if trained.trees else [variable.value for variable in trained.model.variables]
    tf.saved_model.save(module, str(path), signatures={"serving_default": function})


def _write_onnx(trained: ModelToWrite, path: Path) -> None:
    import onnx

    if trained.trees:
        from headstart.export.onnx_graphs import onnx_trees

        graph = onnx_trees(trained.trees, trained.output, (trained.table or {})["scaling_of_targets"])
    else:
        from headstart.export.tensorflow_to_onnx import to_onnx

        graph = to_onnx(trained.function)
    if trained.table is not None:
        from headstart.export.onnx_graphs import merge, onnx_encoder

        graph = merge(onnx_encoder(trained.table["encoding"]), graph, output=trained.output)
    for tensor in (*graph.graph.input, *graph.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(graph, {"labels": json.dumps(trained.labels)})
    onnx.checker.check_model(graph)
    onnx.save(graph, str(path))


def _write_openvino(trained: ModelToWrite, path: Path) -> None:
    import openvino

    graph = openvino.convert_model(trained.function.get_concrete_function())
    openvino.save_model(graph, path, compress_to_fp16=False)


def _write_litert(trained: ModelToWrite, path: Path) -> None:
    import tensorflow as tf

    # By way of a SavedModel: only its signature carries the names of input and output into the file.
    with tempfile.TemporaryDirectory(prefix=".litert-", dir=path.parent) as scratch:
        _write_saved_model(replace(trained, table=None), Path(scratch))  # it has no operations on text
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=["serving_default"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]  # a phone has no TensorFlow to fall back on
        path.write_bytes(converter.convert())


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("keras", "model.keras", _write_keras, runtime="keras"),
        Format("h5", "model.h5", _write_h5, runtime="keras"),
        Format("saved_model", "saved_model", _write_saved_model, runtime="tensorflow", takes_columns=True),
        Format("onnx", "model.onnx", _write_onnx, runtime="onnxruntime", takes_columns=True),
        Format("openvino", "model.xml", _write_openvino, runtime="openvino", beside=("model.bin",)),
        Format("litert", "model.tflite", _write_litert, runtime="litert"),
    )
}


def tensorrt_command(name: str, sides: Sequence[int]) -> list[str]:
    """The command that builds a TensorRT engine from the ONNX file, argument by argument.

    TensorRT builds for the GPU of the machine it runs on, so this is for whoever receives the file; ``TENSORRT_NOTE``
    says what to know about it.

    Args:
        name: The model's input.
        sides: Its shape behind the batch dimension.

    Example:
        >>> " ".join(tensorrt_command("image", [224, 224, 3])[-3:])
        '--minShapes=image:1x224x224x3 --optShapes=image:8x224x224x3 --maxShapes=image:64x224x224x3'
    """
    shape = "x".join(str(side) for side in sides)
    return [
        "trtexec",
        f"--onnx={FORMATS['onnx'].file}",
        "--saveEngine=model.engine",
        "--noTF32",  # else float32 products are rounded to ten bits where the GPU can
        *(f"--{bound}Shapes={name}:{batch}x{shape}" for bound, batch in _ENGINE_BATCHES.items()),
    ]
