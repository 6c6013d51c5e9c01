"""The whole: what lies beside a model so that anyone can use it and check it: signature, golden samples, preprocessing."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from headstart import pixels
from headstart.conversion import Child
from headstart.dataset import Dataset
from headstart.export import FORMATS, export_model
from headstart.extractor import PartA
from headstart.fingerprint import file_digest
from headstart.images import Geometry, decode_array
from headstart.runfolder import read_json, replacing, write_bytes, write_json
from headstart.tasks import TASKS

if TYPE_CHECKING:
    import keras

__all__ = ["add_graph", "sign"]

Array = np.ndarray[Any, Any]

_NUM_GOLDEN = 8


def sign(out: Path, joined: keras.Model, dataset: Dataset, part: PartA, part_b: dict[str, object]) -> None:
    """Write golden.npz, preprocess.py and signature.json beside the model.keras that lies in ``out``.

    Args:
        out: The folder.
        joined: The model that was saved there.
        dataset: What it was fitted on; a few of its samples become the golden ones.
        part: Its Part A.
        part_b: How its Part B is built: the network, its options, and the number of samples that it was sized for.
    """
    golden = _golden(joined, dataset, part)
    listed = golden.pop("listed")
    with replacing(out / "golden.npz") as temporary:
        np.savez_compressed(temporary, **golden)
    write_bytes(out / "preprocess.py", Path(pixels.__file__).read_bytes())
    size = part.geometry.size
    is_binary = dataset.task == "binary"
    signature = {
        "format": 1,
        "task": dataset.task,
        "labels": list(dataset.classes),
        **part.geometry.as_dict(),
        "scaling": "inside the model: feed 0..255",
        "input": {
            "name": "image",
            "shape": [None, size, size, 3],
            "dtype": "float32",
            "layout": "NHWC",
            "channels": "RGB",
        },
        "output": {
            "name": "probabilities",
            "shape": list(joined.outputs[0].shape),
            "activation": TASKS[dataset.task].activation,
            "meaning": f"probability of {dataset.classes[1]}" if is_binary else "one column a label, in their order",
        },
        **({"threshold": 0.5} if is_binary else {}),
        "part_a": part.origins(),
        "part_b": part_b,
        "digests": {name: file_digest(out / name) for name in ("model.keras", "golden.npz", "preprocess.py")},
        "golden": listed,
    }
    write_json(out / "signature.json", signature)


def add_graph(folder: Path, child: Child | None = None, timeout_seconds: float = 1800.0) -> None:
    """Make model.xml and model.bin beside a signed model.keras: a graph that predicts without Keras, checked against it.

    Args:
        folder: Where they lie.
        child: A converter that was started before.
        timeout_seconds: The converter is ended after so long.

    Raises:
        ExportError: The conversion failed (H403) or its result disagrees with the model (H402).
    """
    with tempfile.TemporaryDirectory(prefix=".graph-", dir=folder) as scratch:
        out = Path(scratch) / "export"
        export_model(folder, ["openvino"], out, child=child, timeout_seconds=timeout_seconds)
        for name in reversed(FORMATS["openvino"].files):  # the weights first: whoever sees the graph finds them
            (out / name).replace(folder / name)
    signature = read_json(folder / "signature.json")
    signature["digests"] |= {name: file_digest(folder / name) for name in FORMATS["openvino"].files}
    write_json(folder / "signature.json", signature)


def _golden(joined: keras.Model, dataset: Dataset, part: PartA) -> dict[str, Any]:
    """A few samples, spread over the classes, with the trained model's own answers."""
    split = next(name for name in ("test", "validation", "train") if name in dataset.split)
    by_size = sorted((int(i) for i in dataset.indices(split)), key=lambda i: _num_bytes(dataset, i))
    rank: Counter[int] = Counter()  # the smallest of each class first: they travel with every export
    order = []
    for i in by_size:
        label = int(dataset.labels[i])
        order.append((rank[label], label, i))
        rank[label] += 1
    chosen = [i for _, _, i in sorted(order)[:_NUM_GOLDEN]]
    contents = [_content(dataset, i) for i in chosen]
    squares = np.stack([pixels.load(content, **part.geometry.as_dict()) for content in contents])
    probabilities = np.asarray(joined.predict(squares.astype(np.float32), verbose=0), np.float32)
    listed = [
        {"file": Path(dataset.paths[i]).name, "digest": dataset.digests[i], "probabilities": [float(p) for p in row]}
        for i, row in zip(chosen, probabilities, strict=True)
    ]
    return {
        "pixels": squares,
        "probabilities": probabilities,
        "files": np.frombuffer(b"".join(contents), np.uint8),
        "offsets": np.cumsum([0, *map(len, contents)]).astype(np.int64),
        "listed": listed,
    }


def _num_bytes(dataset: Dataset, index: int) -> int:
    return dataset.arrays[index].nbytes if dataset.arrays is not None else dataset.file(index).stat().st_size


def _content(dataset: Dataset, index: int) -> bytes:
    """The bytes of a sample's file; an array is written as PNG, which loses nothing."""
    if dataset.arrays is None:
        return dataset.file(index).read_bytes()
    square = cast("Array", decode_array(0, dataset.arrays[index], _whole(dataset.arrays[index])).pixels)
    buffer = io.BytesIO()
    Image.fromarray(square).save(buffer, "PNG")
    return buffer.getvalue()


def _whole(array: Array) -> Geometry:
    return Geometry(min(array.shape[:2]), 1.0, "nearest")
