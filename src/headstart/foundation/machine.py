"""Hardware and software of this machine: cores, memory, GPU, Keras backend and versions, found without heavy imports."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from headstart.foundation.errors import UsageError
from headstart.foundation.text import with_suggestion

__all__ = [
    "backend_name",
    "choose_backend",
    "gpu_name",
    "has_gpu",
    "instruction_set",
    "machine",
    "memory_bytes",
    "stack",
    "usable_cores",
    "versions",
]

_PACKAGES = (
    "headstart", "keras", "tensorflow", "torch", "jax", "openvino", "onnxruntime", "onnx", "ai-edge-litert", "pillow",
    "numpy",
)  # fmt: skip
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")
_BACKENDS: dict[str, tuple[str, ...]] = {"tensorflow": ("tf",), "torch": ("pytorch",), "jax": ()}  # with other names for it


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that can affect results."""
    installed = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def machine() -> dict[str, str]:
    """Describe the hardware: processor, vector instructions, usable cores, memory, GPU and operating system."""
    return {
        "processor": _processor(),
        "instructions": instruction_set(),
        "cores": str(usable_cores()),
        "memory": f"{memory_bytes() / 2**30:.0f} GiB" if memory_bytes() else "unknown",
        "gpu": _gpu() or "none",
        "system": f"{platform.system()} {platform.release()}",
    }


def memory_bytes() -> int:
    """Main memory in bytes, or the container's limit if it is lower; 0 if the system does not report it."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not a POSIX system
        return 0
    try:
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no such file, or "max"
        return whole


def usable_cores() -> int:
    """Number of cores that this process may use, limited by its CPU affinity and by its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max"
        return cores


@lru_cache
def instruction_set() -> str:
    """Architecture and vector extensions; machines that differ in these may round differently."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    flags = next((line.split() for line in text.splitlines() if line.lower().startswith(("flags", "features"))), [])
    return " ".join([platform.machine(), *(name for name in _INSTRUCTIONS if name in flags)])


def has_gpu() -> bool:
    """Whether the Keras backend sees a GPU."""
    return bool(gpu_name())


@lru_cache
def gpu_name() -> str:
    """Name of the GPU that the Keras backend sees, or "" if there is none.

    The backend is imported only if an NVIDIA driver is loaded.
    """
    if not Path("/proc/driver/nvidia").exists():
        return ""
    import keras

    ask: dict[str, Callable[[], str]] = {"tensorflow": _tensorflow_gpu, "torch": _torch_gpu, "jax": _jax_gpu}
    return ask[keras.backend.backend()]()


def _tensorflow_gpu() -> str:
    import tensorflow as tf

    # Exports are compared with predictions made on the GPU; TF32 would make them differ in the third digit.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    devices = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU")) if devices else ""


def _torch_gpu() -> str:
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else ""


def _jax_gpu() -> str:
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
    return next((str(device.device_kind) for device in jax.devices() if device.platform == "gpu"), "")


def backend_name() -> str:
    """Name of the Keras backend in use, or of the one that Keras would use.

    Keras takes it from the variable KERAS_BACKEND, else from its settings file, else it is TensorFlow.
    """
    if loaded := _loaded_backend():
        return loaded
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen
    settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    match = re.search(r'"backend":\s*"(\w+)"', settings.read_text()) if settings.is_file() else None
    return match[1] if match else "tensorflow"


def choose_backend(name: str, *, is_variable: bool = False) -> None:
    """Select the Keras backend for this process and the processes that it starts; ``pytorch`` and ``tf`` are known too.

    Args:
        name: Name of the backend.
        is_variable: Whether the name is that of the variable KERAS_BACKEND, for the error message. Defaults to False.

    Raises:
        UsageError: The backend is unknown or not installed, or Keras is already running on another one (H005).
    """
    name = next((backend for backend, aliases in _BACKENDS.items() if name in aliases), name)
    if name not in _BACKENDS or find_spec(name) is None:
        leave_out, setting = ("unset KERAS_BACKEND", "KERAS_BACKEND=") if is_variable else ("leave it out", "")
        raise _unusable(
            setting + (name if name in _BACKENDS else with_suggestion(name, _BACKENDS)),
            "tensorflow, torch or jax, and installed",
            f"{leave_out} to use TensorFlow, or install it: pip install torch (or jax)",
        )
    loaded = _loaded_backend()
    if loaded not in ("", name):
        raise _unusable(
            f"{name}, while Keras is already running on {loaded}",
            "a process that has not imported Keras yet",
            f"start a new process with KERAS_BACKEND={name}",
        )
    os.environ["KERAS_BACKEND"] = name


def stack() -> list[tuple[str, str, str]]:
    """Rows of (layer, version or name, how it is used), from Python down to the hardware."""
    packages, hardware = versions(), machine()
    backend = backend_name()
    is_used = hardware["gpu"] != "none" and has_gpu()

    def package(name: str) -> str:
        return packages.get(name, "not installed")

    backends = {name: f"{package(name)}" + (" (selected)" if name == backend else "") for name in _BACKENDS}
    return [
        ("Python", packages["python"], "runs your code"),
        ("Headstart", package("headstart"), "finds the fastest good model"),
        ("Keras", package("keras"), f"trains Part B on {backend}"),
        *((f"  {name}", text, "used" if name == backend else "not used") for name, text in backends.items()),
        ("OpenVINO", package("openvino"), "not used: there is a GPU" if is_used else "runs Part A and predict"),
        ("ONNX Runtime", package("onnxruntime"), "checks ONNX exports"),
        ("LiteRT", package("ai-edge-litert"), "checks LiteRT exports"),
        ("CUDA", _cuda() or "not found", "used by the Keras backend" if is_used else "not used"),
        ("cuDNN", _cudnn() or "not found", "used by the Keras backend" if is_used else "not used"),
        ("GPU", hardware["gpu"], "runs Part A and Part B" if is_used else f"not seen by {backend}"),
        ("CPU", f"{hardware['processor']}, {hardware['instructions']}", f"{hardware['cores']} usable cores"),
        ("Memory", hardware["memory"], ""),
    ]


def _loaded_backend() -> str:
    """Backend of Keras if Keras is already imported; "" if it is not, or its import has not finished yet."""
    ask = getattr(getattr(sys.modules.get("keras"), "backend", None), "backend", None)
    return str(ask()) if ask is not None else ""


def _unusable(received: str, expected: str, advice: str) -> UsageError:
    return UsageError("H005", "Keras backend not available", received=received, expected=expected, advice=advice)


def _processor() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else platform.processor() or platform.machine()


def _gpu() -> str:
    return _output_of("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader").replace("\n", "; ")


def _cuda() -> str:
    match = re.search(r"CUDA Version:\s*([\d.]+)", _output_of("nvidia-smi"))
    return f"{match[1]} (driver)" if match else ""


def _cudnn() -> str:
    for name in ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def _output_of(*command: str) -> str:
    """Standard output of a command; "" if the command is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
