#!/usr/bin/env bash
# Keras: a copied Normalization layer holds the right weights and computes with others.
#
# Versions:  keras 3.15.1, jax 0.10.2, numpy 2.4.6 (Keras's TensorFlow backend does the same, its PyTorch backend does not)
# Behaviour: a model with an adapted Normalization layer is cloned, and the clone gets its weights by set_weights. get_weights
#            of both are equal; the clone still computes with mean 0 and variance 1. Reading the same weights from a file
#            corrects it, as does calling finalize_state of the layer. EfficientNetB0 to B7 of keras.applications hold such a
#            layer, so that copying their weights in memory gives a network that sees unscaled pictures.
# Seen:      equal weights: True
#            largest difference after set_weights: 4.000
#            largest difference after finalize_state: 0.000
# Exits with 0 while Keras behaves like this, with 1 when it no longer does.
set -euo pipefail
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
python3 -m pip install --quiet --target "$scratch/packages" keras==3.15.1 jax==0.10.2 numpy==2.4.6
cd "$scratch"
KERAS_BACKEND=jax KERAS_HOME="$scratch" PYTHONPATH="$scratch/packages" python3 - <<'PYTHON'
import keras
import numpy as np

data = np.array([[0.0], [2.0]], np.float32)  # mean 1, variance 1
given = keras.Input((1,))
layer = keras.layers.Normalization()
layer.adapt(2 * data + 1)  # mean 3, variance 4
model = keras.Model(given, layer(given))
copy = keras.models.clone_model(model)
copy.set_weights(model.get_weights())
equal = all(np.array_equal(a, b) for a, b in zip(model.get_weights(), copy.get_weights()))
batch = 2 * data + 1
expected = np.asarray(model(batch))
after_copy = np.abs(np.asarray(copy(batch)) - expected).max()
copy.layers[-1].finalize_state()
after_finalize = np.abs(np.asarray(copy(batch)) - expected).max()
print("equal weights:", equal)
print(f"largest difference after set_weights: {after_copy:.3f}")
print(f"largest difference after finalize_state: {after_finalize:.3f}")
raise SystemExit(0 if equal and after_copy > 1 and after_finalize < 1e-6 else 1)
PYTHON
