"""Ground: the machine and the stack on it: cores, memory, GPU, backend and versions, found without heavy imports."""

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
_BACKENDS = ("tensorflow", "torch", "jax")


def versions() -> dict[str, str]:
    """Installed versions of the packages that decide results, with Python's own."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """The hardware: processor, instructions, cores in use, memory, GPU and operating system."""
    return {
        "processor": _processor(),
        "instructions": instruction_set(),
        "cores": str(usable_cores()),
        "memory": f"{memory_bytes() / 2**30:.0f} GiB" if memory_bytes() else "unknown",
        "gpu": _gpu() or "none",
        "system": f"{platform.system()} {platform.release()}",
    }


def memory_bytes() -> int:
    """The machine's main memory, or the limit of its container where there is one; 0 where the system does not tell."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not a POSIX system
        return 0
    try:
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no such file, or "max"
        return whole


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its container where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max"
        return cores


@lru_cache
def instruction_set() -> str:
    """Architecture and vector extensions: two machines that differ here may round differently."""
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
    """The GPU that the Keras backend sees; empty if it sees none. It is only asked where an NVIDIA driver is loaded."""
    if not Path("/proc/driver/nvidia").exists():
        return ""
    import keras

    ask: dict[str, Callable[[], str]] = {"tensorflow": _tensorflow_gpu, "torch": _torch_gpu, "jax": _jax_gpu}
    return ask[keras.backend.backend()]()


def _tensorflow_gpu() -> str:
    import tensorflow as tf

    # Exports are compared with what the GPU answered; its shortened float32 would differ in the third digit.
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
    """The Keras backend in use, or else that would be: KERAS_BACKEND, else Keras's own settings file, else TensorFlow."""
    if loaded := _loaded_backend():
        return loaded
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen
    settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    found = re.search(r'"backend":\s*"(\w+)"', settings.read_text()) if settings.is_file() else None
    return found[1] if found else "tensorflow"


def choose_backend(name: str) -> None:
    """Let Keras use a backend, from now on and in the processes that this one starts.

    Raises:
        UsageError: It is none, or not installed, or Keras is at work here on another one (H005).
    """
    if name not in _BACKENDS or find_spec(name) is None:
        raise _unusable(
            name,
            "tensorflow, torch or jax, installed",
            "leave it out for TensorFlow, or install it: pip install torch (or jax)",
        )
    loaded = _loaded_backend()
    if loaded not in ("", name):
        raise _unusable(
            f"{name}, where Keras runs on {loaded} already",
            "a process that has not imported Keras yet",
            f"begin a fresh one with KERAS_BACKEND={name}",
        )
    os.environ["KERAS_BACKEND"] = name


def stack() -> list[tuple[str, str, str]]:
    """Rows of (layer, what is there, how it is used), from the user's code down to the hardware."""
    packages, hardware = versions(), machine()
    backend = backend_name()
    is_used = hardware["gpu"] != "none" and has_gpu()

    def package(name: str) -> str:
        return packages.get(name, "not installed")

    backends = {name: f"{package(name)}" + (" (chosen)" if name == backend else "") for name in _BACKENDS}
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
        ("CPU", f"{hardware['processor']}, {hardware['instructions']}", f"{hardware['cores']} cores in use"),
        ("Memory", hardware["memory"], ""),
    ]


def _loaded_backend() -> str:
    """The backend of a Keras that is imported already; empty if none is, or not whole yet."""
    ask = getattr(getattr(sys.modules.get("keras"), "backend", None), "backend", None)
    return str(ask()) if ask is not None else ""


def _unusable(received: str, expected: str, advice: str) -> UsageError:
    return UsageError("H005", "the backend cannot be used", received=received, expected=expected, advice=advice)


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _gpu() -> str:
    return _asked("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader").replace("\n", "; ")


def _cuda() -> str:
    found = re.search(r"CUDA Version:\s*([\d.]+)", _asked("nvidia-smi"))
    return f"{found[1]} (driver)" if found else ""


def _cudnn() -> str:
    for name in ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def _asked(*command: str) -> str:
    """What a command prints; nothing where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
