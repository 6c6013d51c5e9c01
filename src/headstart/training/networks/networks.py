"""NETWORKS, the table of networks; building a head with the task's output layer; and joining Part A and Part B."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from headstart.data.tasks import TASKS
from headstart.features.backbones.network_weights import set_weights
from headstart.features.part_a import PIXELS, TABLE, PartA
from headstart.foundation.errors import UsageError
from headstart.foundation.text import with_suggestion
from headstart.training.classical.baselines import BASELINES
from headstart.training.networks.blocks import cnn, dense_block, dnn
from headstart.training.networks.layer_options import embedding_width, select_columns
from headstart.training.networks.one_vs_rest import one_vs_rest
from headstart.training.networks.outputs import checked, mean_of_members, output_layer
from headstart.training.networks.table_network import tabm

if TYPE_CHECKING:
    import keras

__all__ = ["ENSEMBLES", "NETWORKS", "Joined", "Network", "adopt", "build_head", "find_network", "is_own", "join"]

HIDDEN_UNITS = 256
DROPOUT = 0.5


@dataclass(frozen=True)
class Network:
    """An entry of ``NETWORKS``: the layers between Part A's rows and the task's output layer.

    Attributes:
        build: Function from a tensor of rows, or of images (0 to 255), and ``num_samples`` (number of training samples, for
            sizing the network) to the input of the output layer. Its other keyword arguments are the network's options.
        takes_images: Whether the network takes images and is trained from scratch. Defaults to False.
        is_whole: Whether ``build`` returns the task's output itself, as a user's own model does. Defaults to False.
        embeds: Whether large categories of a table go through an embedding; otherwise they are left out. Defaults to True.
        is_one_vs_rest: Whether one network is built per class, to tell it from all others. Defaults to False.
        has_members: Whether ``build`` returns the last hidden layers of several members, ``(batch, members, units)``. Each
            learns the task, and the output is their mean. ``build`` takes ``code_sizes`` and embeds large categories
            itself. Defaults to False.
    """

    build: Callable[..., keras.KerasTensor] = field(repr=False)
    takes_images: bool = False
    is_whole: bool = False
    embeds: bool = True
    is_one_vs_rest: bool = False
    has_members: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the network's options."""
        named = inspect.signature(self.build).parameters.values()
        return tuple(p.name for p in named if p.kind is p.KEYWORD_ONLY and p.name not in ("num_samples", "code_sizes"))


class Joined(NamedTuple):
    """Two models that share layers, with ``whole(image) == part_b(A(image))`` up to rounding.

    Attributes:
        part_b: From the row at the cut to the task's output: the remaining layers of the backbone, and the head.
        whole: From an image (0 to 255), ``(batch, side, side, 3)``, to the task's output.
        tail: Layers of the backbone that are trained with Part B.
        row: Row at the cut, within ``whole``.
        features: Input of the head, within ``whole``: ``(batch, features)``; the image if there is no backbone.
    """

    part_b: keras.Model
    whole: keras.Model
    tail: list[keras.layers.Layer]
    row: keras.KerasTensor
    features: keras.KerasTensor


def _linear(rows: keras.KerasTensor, *, num_samples: int) -> keras.KerasTensor:  # noqa: ARG001 - has no width to choose
    return rows


def _mlp(
    rows: keras.KerasTensor,
    *,
    num_samples: int,  # noqa: ARG001 - its width does not depend on the data
    units: int = HIDDEN_UNITS,
    dropout: float = DROPOUT,
    activation: str = "relu",
    regularizer: str | None = None,
) -> keras.KerasTensor:
    from keras import layers

    x = layers.BatchNormalization(name="normalise", scale=False, center=False)(rows)
    return dense_block(x, units, activation=activation, dropout=dropout, regularizer=regularizer, name="hidden")


def _small_mlp(
    rows: keras.KerasTensor,
    *,
    num_samples: int,
    units: int = 32,  # telling one class from the rest is an easier problem
    dropout: float = DROPOUT,
    activation: str = "relu",
    regularizer: str | None = None,
) -> keras.KerasTensor:
    settings = {"units": units, "dropout": dropout, "activation": activation, "regularizer": regularizer}
    return _mlp(rows, num_samples=num_samples, **settings)  # type: ignore[arg-type]


# Networks by name. ``Model`` adds a user's own model or function under its name.
NETWORKS: dict[str, Network] = {
    "linear": Network(_linear, embeds=False),
    "mlp": Network(_mlp),
    "dnn": Network(dnn),
    "tabm": Network(tabm, has_members=True),
    "cnn": Network(cnn, takes_images=True),
    "ovr_linear": Network(_linear, embeds=False, is_one_vs_rest=True),
    "ovr_mlp": Network(_small_mlp, is_one_vs_rest=True),
}
ENSEMBLES = ("ensemble", "fold_ensemble")  # names of trials that combine other trials
_OURS = frozenset((*NETWORKS, *BASELINES, *ENSEMBLES, PIXELS, TABLE))


def is_own(name: str) -> bool:
    """Whether a network is the user's own. Which formats it can be exported to is then unknown."""
    return name not in _OURS


def find_network(name: str, options: Mapping[str, Any]) -> Network:
    """Look up a network and check its options.

    Raises:
        UsageError: The network (H023) or one of its options (H028) is unknown.
    """
    network = NETWORKS.get(name)
    if network is None:
        raise UsageError(
            "H023",
            "unknown network",
            received=with_suggestion(name, NETWORKS),
            expected=", ".join(NETWORKS),
            advice="choose a key of headstart.NETWORKS, or add your own function to it",
        )
    if unknown := [key for key in options if key not in network.options]:
        raise UsageError(
            "H028",
            "unknown network option",
            received=f"for {name}: {with_suggestion(unknown, network.options)}",
            expected=", ".join(network.options) or "no options",
            advice="leave it out, or choose a network that has it",
        )
    return network


def build_head(
    name: str,
    shape: Sequence[int],
    task: str,
    num_classes: int,
    *,
    num_samples: int = 1000,
    options: Mapping[str, Any] | None = None,
    code_sizes: Sequence[int] = (),
) -> keras.Model:
    """Build a network from rows or images of ``shape`` to the task's output ``(batch, units)``.

    Args:
        name: A key of ``NETWORKS``.
        shape: Shape of a row or of an image.
        task: A key of ``TASKS``.
        num_classes: Number of classes.
        num_samples: Number of training samples, for sizing the network. Defaults to 1000.
        options: The network's options by name. Defaults to none.
        code_sizes: Number of codes of each large category of a table; the codes are the last columns of a row.

    Raises:
        UsageError: The network (H023) or an option (H028) is unknown, or a user's own model does not fit the cut (H038) or
            the task (H039).
    """
    import keras

    network = find_network(name, options or {})
    rows = keras.Input(tuple(shape), name="rows")
    if network.has_members:
        hidden = network.build(rows, num_samples=num_samples, code_sizes=code_sizes, **(options or {}))
        return keras.Model(rows, mean_of_members(hidden, TASKS[task], num_classes), name=name)
    read = _read_codes(rows, code_sizes, network) if code_sizes else rows
    settings = {"num_samples": num_samples, **(options or {})}
    if network.is_one_vs_rest:
        return keras.Model(rows, one_vs_rest(partial(network.build, **settings), read, num_classes), name=name)
    x = network.build(read, **settings)
    output = checked(x, name, TASKS[task], num_classes) if network.is_whole else output_layer(x, TASKS[task], num_classes)
    return keras.Model(rows, output, name=name)


def adopt(network: str | keras.Model | Callable[..., keras.KerasTensor]) -> str:
    """Return the name of a network, after adding a user's own model or function to ``NETWORKS``.

    Args:
        network: A key of ``NETWORKS``; a ``keras.Model`` from rows or images to the task's output, which is copied and
            trained from its current weights; or a function from the tensor of rows, or of images, to the input of the output
            layer. A function that takes images has an attribute ``takes_images = True``.

    Raises:
        UsageError: The network's name cannot be used in a trial name, or already has another meaning there (H029).
    """
    if isinstance(network, str):
        return network
    import keras

    name = (getattr(network, "name", "") or getattr(network, "__name__", "") or type(network).__name__).replace("-", "_")
    if name in _OURS or not re.fullmatch(r"\w+", name):
        raise UsageError(
            "H029",
            "invalid network name",
            received=name,
            expected=f"letters, digits and _, but none of {', '.join(sorted(_OURS))}",
            advice='define the function with def and a name, or name the model: keras.Model(..., name="mine")',
        )
    if isinstance(network, keras.Model):
        NETWORKS[name] = Network(partial(_copied, network), takes_images=len(network.inputs[0].shape) == 4, is_whole=True)
    else:
        NETWORKS[name] = Network(partial(_called, network), takes_images=getattr(network, "takes_images", False))
    return name


def join(part: PartA, make_head: Callable[[Sequence[int]], keras.Model], *, load: bool = True) -> Joined:
    """Join Part A and a head into models that share layers.

    Args:
        part: Part A, with its cut.
        make_head: Function from an input shape to the head, which takes pooled features, or images if there is no backbone.
        load: Whether to load the backbone's weights; a saved model has its own. Defaults to True.
    """
    import keras

    tensors = part.tensors(load=load)
    head = make_head(tensors.pooled.shape[1:])
    output = _apply(head, tensors.pooled)
    whole = keras.Model(tensors.image, output, name="headstart")
    if tensors.row is tensors.pooled:
        return Joined(head, whole, [], tensors.row, tensors.pooled)
    part_b = keras.Model(tensors.row, output, name="part_b")
    of_head = {id(layer) for layer in [head, *head.layers]}
    tail = [layer for layer in part_b.layers if id(layer) not in of_head and layer.weights]
    for layer in tail:
        if isinstance(layer, keras.layers.BatchNormalization):  # its statistics come from more images than there are here
            layer.trainable = False
    return Joined(part_b, whole, tail, tensors.row, tensors.pooled)


def _read_codes(rows: keras.KerasTensor, code_sizes: Sequence[int], network: Network) -> keras.KerasTensor:
    """Replace the codes in a table's rows with embeddings, or drop them if not ``embeds``."""
    from keras import layers

    num_dense = rows.shape[-1] - len(code_sizes)
    dense = select_columns(rows, 0, num_dense)
    if not network.embeds:
        return dense
    embedded = []
    for number, size in enumerate(code_sizes):
        width = embedding_width(size)
        code = select_columns(rows, num_dense + number, 1)
        embedded.append(layers.Flatten()(layers.Embedding(size, width, name=f"embedding_{number + 1}")(code)))
    return layers.Concatenate(name="embedded")([dense, *embedded])


def _copied(model: keras.Model, rows: keras.KerasTensor, **_: object) -> keras.KerasTensor:
    import keras

    wanted, given = model.inputs[0].shape[1:], rows.shape[1:]
    if len(wanted) != len(given) or any(a not in (None, b) for a, b in zip(wanted, given, strict=True)):
        raise UsageError(
            "H038",
            "the model's input does not fit the cut",
            received=f"{model.name}: input {tuple(wanted)}",
            expected=f"{tuple(given)}, the output of Part A at this cut; a side may be None",
            advice="build the model with that input, or pass a function, which works with any shape",
        )
    copy = keras.models.clone_model(model)
    set_weights(copy, model.get_weights())
    return copy(rows)


def _called(function: Callable[..., keras.KerasTensor], rows: keras.KerasTensor, **_: object) -> keras.KerasTensor:
    return function(rows)


def _apply(head: keras.Model, x: keras.KerasTensor) -> keras.KerasTensor:
    """Apply a head to a tensor, layer by layer if it is a chain, so that the joined model is flat and easy to read."""
    is_chain = all(after.input is before.output for before, after in itertools.pairwise(head.layers))
    if not is_chain:
        return head(x)
    for layer in head.layers[1:]:
        x = layer(x)
    return x
