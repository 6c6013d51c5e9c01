#!/usr/bin/env bash
# tensorflow 2.21.0 (its LiteRT converter) with keras 3.15.1: a layer EinsumDense whose output has a single column, such as
# one unit for each of four members, cannot be converted if it has a bias. With two columns, or without the bias, it can.
#
# Expected: the number of columns does not matter, because the converter knows products and sums of any shape.
#
# Cause: the converter's message is that a tf.Transpose, made for BiasAdd, has an operand of rank 3 and a result of rank 4: the
# axis of length 1 is lost on the way.
#
# Output seen:
#   2 columns, with bias: converted
#   1 column, without bias: converted
#   1 column, with bias: ConverterError
#
# Exits with 1 if it behaves differently.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 keras==3.15.1
export KERAS_HOME="$folder/keras" KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 PYTHONWARNINGS=ignore CUDA_VISIBLE_DEVICES=-1
"$folder/venv/bin/python" - 2>/dev/null <<'PY'
import contextlib
import io
import sys

import keras
import tensorflow as tf


def outcome(columns, bias):
    given = keras.Input((4, 8))
    layer = keras.layers.EinsumDense("bmh,mhu->bmu", (4, columns), bias_axes="mu" if bias else None)
    model = keras.Model(given, layer(given))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            tf.lite.TFLiteConverter.from_keras_model(model).convert()
    except Exception as error:
        return type(error).__name__
    return "converted"


found = {}
for columns, bias in ((2, True), (1, False), (1, True)):
    found[columns, bias] = outcome(columns, bias)
    words = f"{columns} column{'s' * (columns > 1)}, {'with' if bias else 'without'} bias"
    print(f"{words}: {found[columns, bias]}", flush=True)
expected = {(2, True): "converted", (1, False): "converted", (1, True): "ConverterError"}
sys.exit(0 if found == expected else 1)
PY
