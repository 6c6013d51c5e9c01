#!/usr/bin/env bash
# ONNX Runtime: gaps and numbers among text become text, without a word.
#
# Versions:  onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6
# Behaviour: a string input accepts an array of Python objects that are not strings. None becomes "None", NaN becomes "nan"; 7
#            becomes "7", and 7.0, which pandas makes of a column of whole numbers with a gap, becomes "7.0". A category that the
#            model knows as "7" or as an empty string is then an unknown one, and no error is raised.
# Seen:      ['a', 'None', 'nan', '7', '7.0', 'True']
# Exits with 0 while ONNX Runtime behaves like this, with 1 when it no longer does.
set -euo pipefail
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
python3 -m pip install --quiet --target "$scratch/packages" onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$scratch"
HOME="$scratch" ORT_DISABLE_TELEMETRY=1 PYTHONPATH="$scratch/packages" python3 - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

text = [helper.make_tensor_value_info(name, TensorProto.STRING, [None]) for name in ("given", "told")]
graph = helper.make_graph([helper.make_node("Identity", ["given"], ["told"])], "text", text[:1], text[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
(told,) = session.run(None, {"given": np.array(["a", None, float("nan"), 7, 7.0, True], object)})
print(told.tolist())
raise SystemExit(0 if told.tolist() == ["a", "None", "nan", "7", "7.0", "True"] else 1)
PYTHON
