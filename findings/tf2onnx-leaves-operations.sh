#!/usr/bin/env bash
# tf2onnx: what it cannot convert stays in the file as TensorFlow's operation, and success is reported.
#
# Versions:  tf2onnx 1.17.0, tensorflow 2.21.0, onnx 1.23.2
# Behaviour: TensorFlow writes gelu with Erfc, which tf2onnx does not know. It logs an error, returns a model without raising,
#            and puts the operation into ONNX's own domain, where no runtime finds it. The same goes for Expm1 (celu), and for
#            a function compiled by XLA (Keras's grouped convolution).
# Seen:      returned a model with [('', 'Erfc'), ('', 'Expm1')]
# Exits with 0 while tf2onnx behaves like this, with 1 when it no longer does.
set -euo pipefail
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
python3 -m pip install --quiet --target "$scratch/packages" tf2onnx==1.17.0 tensorflow==2.21.0 onnx==1.23.2
cd "$scratch"
TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=-1 PYTHONPATH="$scratch/packages" python3 - <<'PYTHON'
import onnx
import tensorflow as tf
import tf2onnx

spec = tf.TensorSpec((None, 4), tf.float32, name="given")
function = tf.function(lambda x: tf.nn.gelu(x) + tf.math.expm1(x), input_signature=[spec])
model, _ = tf2onnx.convert.from_function(function, input_signature=[spec], opset=18)
left = sorted({(node.domain, node.op_type) for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)})
print("returned a model with", left)
raise SystemExit(0 if left == [("", "Erfc"), ("", "Expm1")] else 1)
PYTHON
