"""Engines that run Part A: OpenVINO on a CPU; Keras on a GPU, or if OpenVINO cannot convert the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from headstart.export.conversion_notes import converter_versions
from headstart.export.convert_process import is_lack_of_room
from headstart.features.converted_graphs import (
    conversion_failure,
    converted_graph,
    is_graph_cached,
    network_code,
    note_conversion_failure,
)
from headstart.features.part_a import PartA
from headstart.foundation.arrays import Array
from headstart.foundation.errors import ExportError
from headstart.foundation.machine import gpu_name, has_gpu, instruction_set, usable_cores
from headstart.foundation.privacy import import_openvino_silently

if TYPE_CHECKING:
    import openvino

__all__ = [
    "Engine",
    "OpenVINOEngine",
    "compile_graph",
    "engine_key",
    "make_engine",
    "preparation",
    "read_graph",
    "side_by_side",
]

_BATCH = 32  # images per batch of the Keras engine


class Engine(Protocol):
    """Interface for running Part A on images.

    Attributes:
        name: ``openvino``, ``pixels`` or the name of the Keras backend.
        reason: Why this engine was chosen, as text.
    """

    name: str
    reason: str

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """Compute numbered rows, float32 or uint8, from numbered uint8 images ``(size, size, 3)``, in any order."""
        ...


class OpenVINOEngine:
    """Run Part A with OpenVINO, one image per request and one stream per core, which was faster than any larger batch.

    Args:
        graph: Graph from one uint8 image ``(1, size, size, 3)`` to its row.
        reason: Why this engine was chosen.
    """

    name = "openvino"

    def __init__(self, graph: openvino.Model, reason: str) -> None:
        self.reason = reason
        self._compiled = compile_graph(graph, streams=usable_cores())

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """Compute rows with asynchronous requests, and yield them in the order of the images."""
        idle = [self._compiled.create_infer_request() for _ in range(2 * usable_cores())]
        running: deque[tuple[int, openvino.InferRequest]] = deque()

        def finish() -> tuple[int, Array]:
            i, request = running.popleft()
            request.wait()
            idle.append(request)
            return i, request.get_output_tensor().data[0].copy()

        # Wait for requests in turn: callbacks into Python can deadlock with OpenVINO's threads when they end.
        for i, pixels in images:
            if not idle:
                yield finish()
            request = idle.pop()
            request.start_async({0: pixels[None]})
            running.append((i, request))
        while running:
            yield finish()


class PixelEngine:
    """Engine for the cut at the pixels, where the row is the image itself."""

    name = "pixels"
    reason = "the network is trained on the images themselves"

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """Return the images unchanged."""
        return images


class KerasEngine:
    """Run Part A with the Keras backend: on a GPU, or if OpenVINO does not support the network.

    Args:
        part: The Part A to run.
        reason: Why this engine was chosen.
    """

    def __init__(self, part: PartA, reason: str) -> None:
        import keras

        self.reason = reason
        self.name = keras.backend.backend()
        tensors = part.tensors()
        self._model = keras.Model(tensors.image, tensors.row)

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """Compute rows batch by batch. The last batch is padded, so that the graph is compiled only once."""
        numbers: list[int] = []
        batch: list[Array] = []
        for i, pixels in images:
            numbers.append(i)
            batch.append(pixels)
            if len(batch) == _BATCH:
                yield from zip(numbers, self._rows(batch), strict=True)
                numbers, batch = [], []
        if batch:
            yield from zip(numbers, self._rows(batch), strict=True)

    def _rows(self, batch: list[Array]) -> Array:
        padded = np.stack([*batch, *[batch[-1]] * (_BATCH - len(batch))]).astype(np.float32)
        rows: Array = np.asarray(self._model.predict_on_batch(padded), np.float32)
        return rows[: len(batch)]


def make_engine(part: PartA) -> Engine:
    """Create the fastest engine for this Part A on this hardware; its ``reason`` explains the choice."""
    if part.is_pixels:
        return PixelEngine()
    if has_gpu():
        return KerasEngine(part, "a GPU is present")
    graph = part.graph()
    if graph is not None:
        return OpenVINOEngine(graph, "no GPU; the network is built in OpenVINO's own operations")
    if not conversion_failure(part):
        try:
            return OpenVINOEngine(read_graph(converted_graph(part)), "no GPU; converted from Keras on TensorFlow")
        except ExportError as error:
            if error.code != "H403":
                raise
            note_conversion_failure(part, error.received)
        except RuntimeError as error:  # OpenVINO's own errors are RuntimeErrors
            if is_lack_of_room(error):
                raise
            note_conversion_failure(part, str(error).partition("\n")[0])
    return KerasEngine(part, f"OpenVINO could not convert it: {conversion_failure(part)}")


def preparation(part: PartA) -> str:
    """Describe what ``make_engine`` does before the first row; the first conversion of a backbone can take a minute."""
    if part.is_pixels:
        return "starting to decode"
    is_converted = not has_gpu() and any(card.graph is None for card in part.cards) and not conversion_failure(part)
    if is_converted and not is_graph_cached(part):
        return "converting the backbone to OpenVINO, which is done once"
    return "loading the backbone"


def engine_key(part: PartA) -> dict[str, object]:
    """Return the engine's part of a cache key. Without a GPU this imports no large package.

    The key contains the runtime and its version, the version of the converter, the code that builds the network, the
    instruction set, and the name of the GPU.
    """
    if part.is_pixels:
        return {"engine": PixelEngine.name}
    runtime = "keras" if has_gpu() or conversion_failure(part) else "openvino"
    key: dict[str, object] = {"engine": runtime, "version": version(runtime), "instructions": instruction_set()}
    key["network_code"] = network_code(part)
    if any(card.graph is None for card in part.cards):
        key["converter"] = converter_versions()
    if runtime == "keras":
        import keras

        backend = keras.backend.backend()
        key |= {"backend": backend, "backend_version": version(backend), "device": gpu_name() if has_gpu() else "cpu"}
    return key


def compile_graph(graph: openvino.Model, *, streams: int) -> openvino.CompiledModel:
    """Compile a graph for the CPU in float32.

    Compiled graphs are not cached: OpenVINO's cache files have no checksum, and compiling takes only a tenth of a second.
    """
    import_openvino_silently()
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": str(streams), "INFERENCE_NUM_THREADS": usable_cores()}
    return openvino.Core().compile_model(graph, "CPU", settings)


def read_graph(file: Path) -> openvino.Model:
    """Read a graph that takes batches of float images, and adapt it to take one uint8 image."""
    import_openvino_silently()
    import openvino
    from openvino.preprocess import PrePostProcessor

    graph = openvino.Core().read_model(file)
    graph.reshape([1, *(d.get_length() for d in list(graph.inputs[0].partial_shape)[1:])])
    prepared = PrePostProcessor(graph)
    prepared.input().tensor().set_element_type(openvino.Type.u8)
    return prepared.build()


def side_by_side(graph: openvino.Model, names: Sequence[str]) -> openvino.Model:
    """Concatenate the outputs of a graph, ``(1, columns)`` each, to one, in the order of these names, if any."""
    if not names:
        return graph
    import openvino
    from openvino import opset13 as ops

    joined = ops.concat([graph.output(name).node.input_value(0) for name in names], 1)
    return openvino.Model([joined], graph.get_parameters(), graph.get_friendly_name())
