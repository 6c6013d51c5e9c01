"""Part A: run a frozen graph as fast as this hardware can. OpenVINO on a CPU; Keras on a GPU or where conversion fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from headstart.export.conversion_notes import converter_versions
from headstart.export.convert_process import is_lack_of_room
from headstart.features.converted_graphs import conversion_failure, converted_graph, network_code, note_conversion_failure
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
    "read_graph",
]

_BATCH = 32  # images a batch on the Keras engine


class Engine(Protocol):
    """Runs Part A over images.

    Attributes:
        name: ``openvino`` or the Keras backend.
        reason: Why this engine, in words.
    """

    name: str
    reason: str

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """Numbered uint8 images ``(size, size, 3)`` to numbered rows of Part A, float32 or uint8, in any order."""
        ...


class OpenVINOEngine:
    """One image a request, one stream a core: on a CPU that was faster than any larger batch.

    Args:
        graph: One uint8 image ``(1, size, size, 3)`` in and its row out.
        reason: Why this engine.
    """

    name = "openvino"

    def __init__(self, graph: openvino.Model, reason: str) -> None:
        self.reason = reason
        self._compiled = compile_graph(graph, streams=usable_cores())

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """See ``Engine.run``."""
        idle = [self._compiled.create_infer_request() for _ in range(2 * usable_cores())]
        flying: deque[tuple[int, openvino.InferRequest]] = deque()

        def land() -> tuple[int, Array]:
            i, request = flying.popleft()
            request.wait()
            idle.append(request)
            return i, request.get_output_tensor().data[0].copy()

        # Requests are waited for in turn: a callback into Python can deadlock with OpenVINO's threads when they end.
        for i, pixels in images:
            if not idle:
                yield land()
            request = idle.pop()
            request.start_async({0: pixels[None]})
            flying.append((i, request))
        while flying:
            yield land()


class PixelEngine:
    """The cut at the pixels: an image is its own row."""

    name = "pixels"
    reason = "the network is trained on the images themselves"

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """See ``Engine.run``."""
        return images


class KerasEngine:
    """Part A by the Keras backend: a GPU's way, and the way out where OpenVINO cannot read a network.

    Args:
        part: The Part A to build.
        reason: Why this engine.
    """

    def __init__(self, part: PartA, reason: str) -> None:
        import keras

        self.reason = reason
        self.name = keras.backend.backend()
        tensors = part.tensors()
        self._model = keras.Model(tensors.image, tensors.row)

    def run(self, images: Iterator[tuple[int, Array]]) -> Iterator[tuple[int, Array]]:
        """See ``Engine.run``; the last batch is padded, so that the graph is compiled once."""
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
    """The fastest engine for this Part A on this hardware; its ``reason`` says why."""
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


def engine_key(part: PartA) -> dict[str, object]:
    """What the engine adds to a cache key; without a GPU it needs no heavy import.

    That is the runtime, its version and that of the converter, the code that builds the network, the instruction set, and
    the name of the GPU.
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
    """Compile for the CPU, to compute in float32.

    The compiled graph is not kept: OpenVINO's files of one carry no checksum, and compiling takes a tenth of a second.
    """
    import_openvino_silently()
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": str(streams), "INFERENCE_NUM_THREADS": usable_cores()}
    return openvino.Core().compile_model(graph, "CPU", settings)


def read_graph(file: Path) -> openvino.Model:
    """A graph on disk that takes float images with an open batch, made to take one uint8 image."""
    import_openvino_silently()
    import openvino
    from openvino.preprocess import PrePostProcessor

    graph = openvino.Core().read_model(file)
    graph.reshape([1, *(d.get_length() for d in list(graph.inputs[0].partial_shape)[1:])])
    prepared = PrePostProcessor(graph)
    prepared.input().tensor().set_element_type(openvino.Type.u8)
    return prepared.build()
