"""A network for rows of a table: many small networks in one, which share most of their weights.

It has what published recipes for tables have in common, in built-in layers: a learned scale in front of each member and
shared weights after it (TabM: Gorishniy, Kotelnikov and Babenko, 2025, https://arxiv.org/abs/2410.24210; RealMLP, which has
such a scale too: Holzmüller, Grinsztajn and Steinwart, 2024, https://arxiv.org/abs/2407.04491), and embeddings of numbers
(Gorishniy, Rubachev and Babenko, 2022, https://arxiv.org/abs/2203.05556).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.features.backbones.network_weights import set_weights
from headstart.training.networks.layer_options import embedding_width, select_columns

if TYPE_CHECKING:
    import keras

__all__ = ["groups_of", "tabm"]

_GROUPS = 5  # of members, on few rows
_FEW_ROWS = 2000
_MEMBERS, _MEMBERS_OF_ONE = 4, 32  # members of a group, if there are several, and of the only group
_ROWS_A_COLUMN = 15  # from which numbers are embedded; with fewer rows, embeddings raised the loss
_PIECES, _EMBEDDED = 8, 4  # pieces of a number's embedding, and width that they are reduced to


_MEMBERS_BY_GROUPS = "members_by_groups"  # name of the layer whose output is (batch, members, groups, width)


def groups_of(network: keras.Model) -> int:
    """Number of groups of a network that ``tabm`` built."""
    return int(network.get_layer(_MEMBERS_BY_GROUPS).output.shape[2])


def tabm(
    rows: keras.KerasTensor,
    *,
    num_samples: int,
    code_sizes: Sequence[int] = (),
    units: Sequence[int] = (64, 64),
    dropout: float = 0.2,
    activation: str = "relu",
    members: int | None = None,
) -> keras.KerasTensor:
    """Build the members up to their last hidden layers: rows ``(batch, features)`` to ``(batch, members, units[-1])``.

    On few rows there are five groups of members, and member ``i`` belongs to group ``i % 5``. Groups have no weight in
    common, so that each can be trained on the rows outside a fold, and predict those in it.

    Args:
        rows: Input of the network: columns of numbers, then the codes of large categories.
        num_samples: Number of training samples, which decides the number of groups and whether numbers are embedded.
        code_sizes: Number of codes of each large category. Defaults to none.
        units: Width of each hidden layer. Defaults to 64 and 64.
        dropout: Share of the units dropped in training. Defaults to 0.2.
        activation: Keras name of an activation. Defaults to ``"relu"``.
        members: Number of members of each group. Defaults to None: 4, or 32 if there is one group.
    """
    import keras
    from keras import initializers, layers

    groups = _GROUPS if num_samples < _FEW_ROWS else 1
    number = members or (_MEMBERS if groups > 1 else _MEMBERS_OF_ONE)
    x = _embedded(rows, code_sizes, groups, has_pieces=num_samples >= _ROWS_A_COLUMN * rows.shape[-1])
    width = x.shape[-1]
    x = layers.RepeatVector(number, name="for_each_member")(layers.Flatten(name="all_groups")(x))
    scale = layers.EinsumDense("bmi,mi->bmi", (number, groups * width), name="scale_of_members")
    x = scale(x)
    signs = keras.ops.sign(keras.random.uniform((number, groups * width), -1.0, 1.0))
    set_weights(scale, [keras.ops.convert_to_numpy(signs)])
    x = layers.Reshape((number, groups, width), name=_MEMBERS_BY_GROUPS)(x)
    for depth, size in enumerate(units, 1):
        spread = initializers.RandomUniform(-(width**-0.5), width**-0.5)
        x = layers.EinsumDense(
            "bmge,geh->bmgh",
            (number, groups, size),
            bias_axes="mgh",
            kernel_initializer=spread,
            bias_initializer=spread,
            name=f"hidden_{depth}",
        )(x)
        x = layers.Activation(activation, name=f"hidden_{depth}_{activation}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"hidden_{depth}_dropout")(x)
        width = size
    return layers.Reshape((number * groups, width), name="side_by_side")(x)


def _embedded(rows: keras.KerasTensor, code_sizes: Sequence[int], groups: int, *, has_pieces: bool) -> keras.KerasTensor:
    """Concatenate the numbers with embeddings of numbers and of codes, for each group: ``(batch, groups, width)``."""
    from keras import initializers, layers

    num_numbers = rows.shape[-1] - len(code_sizes)
    numbers = select_columns(rows, 0, num_numbers) if code_sizes else rows
    for_groups = layers.RepeatVector(groups, name="for_each_group")(numbers)
    parts = [for_groups]
    if has_pieces:
        of_all = groups * num_numbers
        normal = initializers.RandomNormal(stddev=1.0)  # rows are standardised: pieces begin where values are
        spread = initializers.RandomUniform(-(_PIECES**-0.5), _PIECES**-0.5)
        x = layers.Reshape((of_all, 1), name="one_by_one")(for_groups)
        pieces = {"bias_axes": "pn", "activation": "relu", "kernel_initializer": normal, "bias_initializer": normal}
        x = layers.EinsumDense("bpi,pin->bpn", (of_all, _PIECES), name="pieces", **pieces)(x)
        reduced = {"bias_axes": "pe", "kernel_initializer": spread}
        x = layers.EinsumDense("bpn,pne->bpe", (of_all, _EMBEDDED), name="embedded_numbers", **reduced)(x)
        parts.append(layers.Reshape((groups, num_numbers * _EMBEDDED), name="of_each_group")(x))
    for number, size in enumerate(code_sizes):
        width = embedding_width(size)
        code = select_columns(rows, num_numbers + number, 1)
        found = layers.Embedding(size, groups * width, name=f"embedding_{number + 1}")(code)
        parts.append(layers.Reshape((groups, width), name=f"embedded_{number + 1}")(found))
    return layers.Concatenate(name="embedded")(parts) if len(parts) > 1 else for_groups
