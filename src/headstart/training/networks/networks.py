"""Part B: the table of networks, the task's output layer on top of each, and the join of Part A and Part B."""

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
from headstart.training.classical.baselines import BASELINES
from headstart.training.networks.blocks import cnn, dense_block, dnn
from headstart.training.networks.one_vs_rest import one_vs_rest
from headstart.training.networks.outputs import checked, output_layer

if TYPE_CHECKING:
    import keras

__all__ = ["ENSEMBLES", "NETWORKS", "Joined", "Network", "adopt", "build_head", "find_network", "is_own", "join"]

HIDDEN_UNITS = 256
DROPOUT = 0.5


@dataclass(frozen=True)
class Network:
    """A row of the table: what stands between the rows and the task's output layer.

    Attributes:
        build: Rows, or images of 0..255, and ``num_samples`` (training samples, to size the network by) to the tensor that
            the output layer reads. Its other keyword arguments are the network's options.
        takes_images: It begins at the pixels: a network of one's own, trained from scratch.
        is_whole: ``build`` gives the task's output itself, as a user's own model does.
        embeds: It reads large categories of a table by way of an embedding; otherwise it does without their codes.
        is_one_vs_rest: It is built once for each class, to tell that class from all others.
    """

    build: Callable[..., keras.KerasTensor] = field(repr=False)
    takes_images: bool = False
    is_whole: bool = False
    embeds: bool = True
    is_one_vs_rest: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the options that it takes."""
        named = inspect.signature(self.build).parameters.values()
        return tuple(p.name for p in named if p.kind is p.KEYWORD_ONLY and p.name != "num_samples")


class Joined(NamedTuple):
    """Both parts on one set of layers: ``whole(image) == part_b(A(image))``, to rounding.

    Attributes:
        part_b: The row at the cut to the task's output: the head, behind what is left of the backbone.
        whole: The image of 0..255, ``(batch, side, side, 3)``, to the task's output.
        tail: The layers of the backbone that Part B trains.
    """

    part_b: keras.Model
    whole: keras.Model
    tail: list[keras.layers.Layer]


def _linear(rows: keras.KerasTensor, *, num_samples: int) -> keras.KerasTensor:  # noqa: ARG001 - one width fits all
    return rows


def _mlp(
    rows: keras.KerasTensor,
    *,
    num_samples: int,  # noqa: ARG001 - its one layer is as wide for all
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
    units: int = 32,  # one class against the rest is a smaller question
    dropout: float = DROPOUT,
    activation: str = "relu",
    regularizer: str | None = None,
) -> keras.KerasTensor:
    settings = {"units": units, "dropout": dropout, "activation": activation, "regularizer": regularizer}
    return _mlp(rows, num_samples=num_samples, **settings)  # type: ignore[arg-type]


NETWORKS: dict[str, Network] = {
    "linear": Network(_linear, embeds=False),
    "mlp": Network(_mlp),
    "dnn": Network(dnn),
    "cnn": Network(cnn, takes_images=True),
    "ovr_linear": Network(_linear, embeds=False, is_one_vs_rest=True),
    "ovr_mlp": Network(_small_mlp, is_one_vs_rest=True),
}
ENSEMBLES = ("ensemble", "fold_ensemble")  # trials that are made of others
_OURS = frozenset((*NETWORKS, *BASELINES, *ENSEMBLES, PIXELS, TABLE))


def is_own(name: str) -> bool:
    """Whether a network is the user's own, so that nobody has tried before what it can be converted to."""
    return name not in _OURS


def find_network(name: str, options: Mapping[str, Any]) -> Network:
    """The row of a network, its options checked.

    Raises:
        UsageError: There is no such network (H023), or it has no such option (H028).
    """
    network = NETWORKS.get(name)
    if network is None:
        raise UsageError(
            "H023",
            "unknown network",
            received=name,
            expected=", ".join(NETWORKS),
            advice="headstart.NETWORKS holds the names; a function of your own can be added to it",
        )
    if unknown := [key for key in options if key not in network.options]:
        raise UsageError(
            "H028",
            "the network has no such option",
            received=f"{', '.join(unknown)} for {name}",
            expected=", ".join(network.options) or "no option at all",
            advice="leave it out, or take a network that has it",
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
    """A fresh network: rows or images of ``shape`` in, the task's output ``(batch, units)`` out.

    Args:
        name: A key of ``NETWORKS``.
        shape: Of a row, or of an image.
        task: A key of ``TASKS``.
        num_classes: Classes.
        num_samples: Training samples, to size the network by.
        options: The network's options by name.
        code_sizes: Of a table's large categories, whose codes stand at the end of a row: how many codes there are.

    Raises:
        UsageError: No such network (H023), no such option of it (H028), or a user's model that is for another cut (H038) or
            for another task (H039).
    """
    import keras

    network = find_network(name, options or {})
    rows = keras.Input(tuple(shape), name="rows")
    read = _read_codes(rows, code_sizes, network) if code_sizes else rows
    settings = {"num_samples": num_samples, **(options or {})}
    if network.is_one_vs_rest:
        return keras.Model(rows, one_vs_rest(partial(network.build, **settings), read, num_classes), name=name)
    x = network.build(read, **settings)
    output = checked(x, name, TASKS[task], num_classes) if network.is_whole else output_layer(x, TASKS[task], num_classes)
    return keras.Model(rows, output, name=name)


def adopt(network: str | keras.Model | Callable[..., keras.KerasTensor]) -> str:
    """The name of a network: a key of ``NETWORKS``, under which a user's own model or function is put where it is none.

    Args:
        network: A name; a ``keras.Model`` from rows or images to the task's output, which is copied and trained from its
            present weights; or a function from the tensor of rows, or of images, to the tensor that the output layer
            reads. A function that begins at the pixels is told by an attribute ``takes_images = True``.

    Raises:
        UsageError: Its name cannot be part of a trial's name, or means something else there (H029).
    """
    if isinstance(network, str):
        return network
    import keras

    name = (getattr(network, "name", "") or getattr(network, "__name__", "") or type(network).__name__).replace("-", "_")
    if name in _OURS or not re.fullmatch(r"\w+", name):
        raise UsageError(
            "H029",
            "the network needs a name of its own",
            received=name,
            expected=f"letters, digits and _, and none of {', '.join(sorted(_OURS))}",
            advice='name the function with def, or the model: keras.Model(..., name="mine")',
        )
    if isinstance(network, keras.Model):
        NETWORKS[name] = Network(partial(_copied, network), takes_images=len(network.inputs[0].shape) == 4, is_whole=True)
    else:
        NETWORKS[name] = Network(partial(_called, network), takes_images=getattr(network, "takes_images", False))
    return name


def join(part: PartA, make_head: Callable[[Sequence[int]], keras.Model], *, load: bool = True) -> Joined:
    """Both parts as models over the same layers.

    Args:
        part: Where the cut lies.
        make_head: From the shape of what it reads to the head: pooled features, or the image where there is no backbone.
        load: Load the backbone's weights; a saved model brings its own.
    """
    import keras

    tensors = part.tensors(load=load)
    head = make_head(tensors.pooled.shape[1:])
    output = _behind(head, tensors.pooled)
    whole = keras.Model(tensors.image, output, name="headstart")
    if tensors.row is tensors.pooled:
        return Joined(head, whole, [])
    part_b = keras.Model(tensors.row, output, name="part_b")
    of_head = {id(layer) for layer in [head, *head.layers]}
    tail = [layer for layer in part_b.layers if id(layer) not in of_head and layer.weights]
    for layer in tail:
        if isinstance(layer, keras.layers.BatchNormalization):  # its statistics come from more images than there are here
            layer.trainable = False
    return Joined(part_b, whole, tail)


def _read_codes(rows: keras.KerasTensor, code_sizes: Sequence[int], network: Network) -> keras.KerasTensor:
    """A table's rows with an embedding of each code in place of the code; without codes for a network that has no use.

    An embedding is as wide as is usual for so many categories (fastai's rule).
    """
    from keras import layers

    num_dense = rows.shape[-1] - len(code_sizes)
    dense = _columns(rows, 0, num_dense)
    if not network.embeds:
        return dense
    embedded = []
    for number, size in enumerate(code_sizes):
        width = min(32, round(1.6 * size**0.56))
        code = _columns(rows, num_dense + number, 1)
        embedded.append(layers.Flatten()(layers.Embedding(size, width, name=f"embedding_{number + 1}")(code)))
    return layers.Concatenate(name="embedded")([dense, *embedded])


def _columns(rows: keras.KerasTensor, first: int, number: int) -> keras.KerasTensor:
    """Some columns of the rows, by layers that every format knows."""
    from keras import layers

    column_by_column = layers.Reshape((rows.shape[-1], 1))(rows)
    chosen = layers.Cropping1D((first, rows.shape[-1] - first - number))(column_by_column)
    return layers.Reshape((number,))(chosen)


def _copied(model: keras.Model, rows: keras.KerasTensor, **_: object) -> keras.KerasTensor:
    import keras

    wanted, given = model.inputs[0].shape[1:], rows.shape[1:]
    if len(wanted) != len(given) or any(a not in (None, b) for a, b in zip(wanted, given, strict=True)):
        raise UsageError(
            "H038",
            "the model's input does not fit the cut",
            received=f"{model.name}: input {tuple(wanted)}",
            expected=f"{tuple(given)}, or None for a side: what comes out of Part A at this cut",
            advice="give the model that input, or give a function, which takes whatever comes",
        )
    copy = keras.models.clone_model(model)
    set_weights(copy, model.get_weights())
    return copy(rows)


def _called(function: Callable[..., keras.KerasTensor], rows: keras.KerasTensor, **_: object) -> keras.KerasTensor:
    return function(rows)


def _behind(head: keras.Model, x: keras.KerasTensor) -> keras.KerasTensor:
    """The head's output for another input; a chain's own layers are used, so that the model is flat and easy to read."""
    is_chain = all(after.input is before.output for before, after in itertools.pairwise(head.layers))
    if not is_chain:
        return head(x)
    for layer in head.layers[1:]:
        x = layer(x)
    return x
