"""What the server of ``forked`` imports once: the packages with which models are converted and exports are read."""

import importlib
import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

for name in ("tensorflow", "keras", "openvino", "onnx", "onnxruntime", "tf2onnx", "ai_edge_litert.interpreter"):
    importlib.import_module(name)
