#!/usr/bin/env bash
# OpenVINO believes a cached compiled graph whose weights have changed on disk.
#
# Versions: openvino 2026.4.1 (CPU plugin), numpy 2.4.6, Python 3.11, Linux x86_64.
# Behaviour: with CACHE_DIR, compile_model stores the compiled graph as a .blob and loads it the next time. One flipped bit in
#   the weights inside that file is not noticed: no error, no warning, no recompilation, other answers. (Input here: a product
#   with a matrix of 64 x 64 numbers, made by the script.)
# Output seen:
#   as compiled: [64. 64. 64.]
#   from the cache: [64. 64. 64.]
#   from the cache, one bit of one weight flipped: [63. 64. 64.]
# Exits with 1 if this is no longer so.
set -euo pipefail
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check openvino==2026.4.1 numpy==2.4.6
cat > "$scratch/blob.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ops

folder = Path(sys.argv[1])
given = ops.parameter([1, 64], np.float32)
product = ops.matmul(given, ops.constant(np.ones((64, 64), np.float32)), False, False)
graph = openvino.Model([product], [given])


def answers():
    core = openvino.Core()
    core.set_property({"CACHE_DIR": str(folder)})
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(np.ones((1, 64), np.float32))[0][0]


print("as compiled:", answers()[:3])
print("from the cache:", answers()[:3])
(blob,) = folder.glob("*.blob")
content = bytearray(blob.read_bytes())
place = content.index(np.ones(64, np.float32).tobytes())  # the weights, as they lie in the file
content[place + 3] ^= 0x20  # a bit of the exponent: 1 becomes almost 0
blob.chmod(0o600)
blob.write_bytes(content)
changed = answers()
print("from the cache, one bit of one weight flipped:", changed[:3])
sys.exit(int((changed == 64).all()))
PYTHON
CI=true "$scratch/venv/bin/python" "$scratch/blob.py" "$scratch/cache"
