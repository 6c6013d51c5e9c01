#!/usr/bin/env bash
# keras 3.15.1, keras._legacy.preprocessing.image.ImageDataGenerator: with brightness_range, images in memory whose values
# lie between 0 and 1 come out black, whatever the factor, (1.0, 1.0) included. Nothing is raised or warned about.
#
# Cause: apply_brightness_shift makes an 8-bit picture of the floats without scaling them; only values outside of 0 to 255
# are scaled, so that the same images, centred on 0, are brightened as meant.
#
# Output seen:
#   0 to 1, factor 1: largest value 0.0
#   0 to 255, factor 1: largest value 254.0
#   -0.5 to 0.5, factor 1: largest value 0.5
#
# Exits with 1 if it behaves differently.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 numpy==2.4.6 pillow==13.0.0 scipy==1.17.1
export KERAS_HOME="$folder/keras" KERAS_BACKEND=jax PYTHONWARNINGS=ignore
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

unit = np.random.default_rng(0).random((8, 16, 16, 3)) * 0.999
found = {}
for name, images in {"0 to 1": unit, "0 to 255": unit * 255, "-0.5 to 0.5": unit - 0.5}.items():
    batch = next(ImageDataGenerator(brightness_range=(1.0, 1.0)).flow(images, shuffle=False))
    found[name] = float(batch.max())
    print(f"{name}, factor 1: largest value {found[name]:.1f}")
sys.exit(0 if found["0 to 1"] == 0 and found["0 to 255"] > 250 and found["-0.5 to 0.5"] > 0.4 else 1)
PY
