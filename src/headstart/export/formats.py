"""``FORMATS``: the export formats and the functions that write them, on TensorFlow."""

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

NO_COUNTERPART = "unsupported operations"  # prefix of a reason that lies in the network

_ENGINE_BATCHES = {"min": 1, "opt": 8, "max": 64}

TENSORRT_NOTE = (
    "Headstart has not run this command, because it needs NVIDIA's TensorRT (the pip package has no trtexec) and the GPU "
    "that the engine is for. It keeps float32. Half precision is faster but changes predictions: TensorRT 10 takes --fp16 "
    "for it, and TensorRT 11 a model.onnx converted by NVIDIA's ModelOpt. Compare the engine's predictions with those in "
    "golden.npz."
)


@dataclass(frozen=True)
class ModelToWrite:
    """A trained model on disk, which is loaded and traced once for all formats that need it.

    Attributes:
        keras_file: Path of the model, with built-in layers only and one input, or of the arrays of trees, ``model.npz``.
        outputs: Names of the outputs. Defaults to none: the model's own names.
        labels: Class names in the order of the outputs.
        table: For a table: its ``encoding``, the ``arguments`` of a SavedModel for its columns, and ``scaling_of_targets``
            or None. Defaults to None: images.
    """

    keras_file: Path
    outputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    table: dict[str, Any] | None = None

    @cached_property
    def model(self) -> Any:
        """Keras model, loaded without running code from the file."""
        import keras

        from headstart.export.graphs.tensorflow_to_onnx import inline_constants

        model = keras.models.load_model(self.keras_file, compile=False, safe_mode=True)
        model.trainable = False
        inline_constants(model)
        return model

    @cached_property
    def trees(self) -> list[Any]:
        """Arrays of the trees; empty if the model is a network."""
        import numpy as np

        if self.keras_file.suffix != ".npz":
            return []
        with np.load(self.keras_file, allow_pickle=False) as arrays:
            return [arrays[name] for name in arrays.files]

    @cached_property
    def on_columns(self) -> tuple[Any, list[Any]]:
        """Function from a table's columns, passed as named arguments, to named outputs; and objects that it depends on."""
        import tensorflow as tf

        from headstart.export.graphs.tensorflow_graphs import tf_encoder, tf_trees
        from headstart.export.graphs.tensorflow_to_onnx import inlined

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
            return {self.outputs[0]: answer(encode(named))}

        with inlined():
            return tf.function(forward).get_concrete_function(**arguments), held

    @cached_property
    def function(self) -> Any:
        """Forward pass as a TensorFlow function from a named input to a dictionary of named outputs, for any batch size."""
        import keras
        import tensorflow as tf

        from headstart.export.graphs.tensorflow_to_onnx import inlined

        (given,) = self.model.inputs
        names = self.outputs or self.model.output_names
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
    """An export format.

    Attributes:
        name: Name of the format on the command line.
        file: Name of the file or folder.
        write: Function that writes a model to a path.
        runtime: Runtime that verifies the export: a key of ``verify_process.RUNTIMES``.
        beside: Names of further files that ``write`` creates next to it. Defaults to none.
        aliases: Other names that people give the format. Defaults to none.
        takes_columns: Whether the model of a table takes the columns themselves and may be trees; other formats take encoded
            rows. Defaults to False.
    """

    name: str
    file: str
    write: Callable[[ModelToWrite, Path], None]
    runtime: str
    beside: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    takes_columns: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files of the format; the one that a reader opens comes last."""
        return (*self.beside, self.file)


def _write_keras(trained: ModelToWrite, path: Path) -> None:
    shutil.copyfile(trained.keras_file, path)  # copied, so that exactly the evaluated file is exported


def _write_h5(trained: ModelToWrite, path: Path) -> None:
    trained.model.save(path)


def _write_saved_model(trained: ModelToWrite, path: Path) -> None:
    import tensorflow as tf

    # Saving only the variables and the traced function takes a third of the time of saving all Keras layers.
    module = tf.Module()
    function, module.lookups = (trained.function, []) if trained.table is None else trained.on_columns
    module.all_variables = [] if trained.trees else [variable.value for variable in trained.model.variables]
    tf.saved_model.save(module, str(path), signatures={"serving_default": function})


def _write_onnx(trained: ModelToWrite, path: Path) -> None:
    import onnx

    if trained.trees:
        from headstart.export.graphs.onnx_graphs import onnx_trees

        graph = onnx_trees(trained.trees, trained.outputs[0], (trained.table or {})["scaling_of_targets"])
    else:
        from headstart.export.graphs.tensorflow_to_onnx import to_onnx

        graph = to_onnx(trained.function)
    if trained.table is not None:
        from headstart.export.graphs.onnx_graphs import merge, onnx_encoder

        graph = merge(onnx_encoder(trained.table["encoding"]), graph, output=trained.outputs[0])
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

    # Converted from a SavedModel, because only its signature keeps the names of input and output.
    with tempfile.TemporaryDirectory(prefix=".litert-", dir=path.parent) as scratch:
        _write_saved_model(replace(trained, table=None), Path(scratch))  # LiteRT has no operations on text
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=["serving_default"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]  # phones cannot fall back to TensorFlow
        path.write_bytes(converter.convert())


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("keras", "model.keras", _write_keras, runtime="keras"),
        Format("h5", "model.h5", _write_h5, runtime="keras", aliases=("hdf5",)),
        Format(
            "saved_model",
            "saved_model",
            _write_saved_model,
            runtime="tensorflow",
            aliases=("savedmodel", "tensorflow", "tf"),
            takes_columns=True,
        ),
        Format("onnx", "model.onnx", _write_onnx, runtime="onnxruntime", takes_columns=True),
        Format("openvino", "model.xml", _write_openvino, runtime="openvino", beside=("model.bin",)),
        Format("litert", "model.tflite", _write_litert, runtime="litert", aliases=("tflite",)),
    )
}


def tensorrt_command(name: str, sides: Sequence[int]) -> list[str]:
    """Command that builds a TensorRT engine from the ONNX file, as a list of arguments.

    TensorRT builds an engine for the GPU of the machine on which it runs, so the recipient of the file runs the command.
    ``TENSORRT_NOTE`` describes its limits.

    Args:
        name: Name of the model's input.
        sides: Shape of the input after the batch dimension.

    Example:
        >>> " ".join(tensorrt_command("image", [224, 224, 3])[-3:])
        '--minShapes=image:1x224x224x3 --optShapes=image:8x224x224x3 --maxShapes=image:64x224x224x3'
    """
    shape = "x".join(str(side) for side in sides)
    return [
        "trtexec",
        f"--onnx={FORMATS['onnx'].file}",
        "--saveEngine=model.engine",
        "--noTF32",  # else GPUs that support TF32 round float32 products to ten bits
        *(f"--{bound}Shapes={name}:{batch}x{shape}" for bound, batch in _ENGINE_BATCHES.items()),
    ]
