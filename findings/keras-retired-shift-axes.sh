#!/usr/bin/env bash
# keras 3.15.1, keras._legacy.preprocessing.image.ImageDataGenerator (what programs for the retired class still import):
# height_shift_range moves pictures to the side and width_shift_range up and down; and where a picture is no square, it
# is turned about a point that is not its centre: by 180 degrees, the middle of 81 x 41 pixels leaves the picture.
#
# Cause: apply_affine_transform exchanges rows and columns of the whole matrix, the offsets of the centre and of the
# shift included, which were computed for rows first.
#
# Output seen:
#   height_shift_range=[3] moved the pixel by (rows, columns): [[0, -3], [0, 3]]
#   width_shift_range=[3] moved the pixel by (rows, columns): [[-3, 0], [3, 0]]
#   theta=180, 41 rows x 81 columns, pixel in the middle: []
#   theta=180, 41 rows x 41 columns, pixel in the middle: [[20, 20]]
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


def places(image):
    return np.argwhere(image[..., 0] > 0.5).tolist()


image = np.zeros((21, 21, 1), "float32")
image[10, 10] = 1
found = {}
for name in ("height_shift_range", "width_shift_range"):
    maker = ImageDataGenerator(fill_mode="constant", **{name: [3]})
    views = [places(maker.random_transform(image, seed=seed))[0] for seed in range(12)]
    found[name] = sorted({(row - 10, column - 10) for row, column in views})
    print(f"{name}=[3] moved the pixel by (rows, columns):", [list(pair) for pair in found[name]])
turned = {}
for width in (81, 41):
    image = np.zeros((41, width, 1), "float32")
    image[20, width // 2] = 1
    turned[width] = places(ImageDataGenerator(fill_mode="constant").apply_transform(image, {"theta": 180}))
    print(f"theta=180, 41 rows x {width} columns, pixel in the middle:", turned[width])
expected = {"height_shift_range": [(0, -3), (0, 3)], "width_shift_range": [(-3, 0), (3, 0)]}
sys.exit(0 if found == expected and turned == {81: [], 41: [[20, 20]]} else 1)
PY
