"""The whole: every layer of the stack that is present, and which will be used. Found without importing any of it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from headstart import engines
from headstart.images import usable_cores

__all__ = ["backend_name", "machine", "stack", "versions"]

_PACKAGES = ("headstart", "keras", "tensorflow", "torch", "jax", "openvino", "onnxruntime", "onnx", "pillow", "numpy")


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
        "instructions": engines.instruction_set(),
        "cores": str(usable_cores()),
        "memory": f"{_memory_bytes() / 2**30:.0f} GiB" if _memory_bytes() else "unknown",
        "gpu": _gpu() or "none",
        "system": f"{platform.system()} {platform.release()}",
    }


def backend_name() -> str:
    """The Keras backend that would be used: KERAS_BACKEND, else Keras's own settings file, else TensorFlow."""
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen
    settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    found = re.search(r'"backend":\s*"(\w+)"', settings.read_text()) if settings.is_file() else None
    return found[1] if found else "tensorflow"


def stack() -> list[tuple[str, str, str]]:
    """Rows of (layer, what is there, how it is used), from the user's code down to the hardware."""
    packages, hardware = versions(), machine()
    backend = backend_name()
    has_gpu = hardware["gpu"] != "none" and engines.has_gpu()

    def package(name: str) -> str:
        return packages.get(name, "not installed")

    backends = {
        name: f"{package(name)}" + (" (chosen)" if name == backend else "") for name in ("tensorflow", "torch", "jax")
    }
    return [
        ("Python", packages["python"], "runs your code"),
        ("Headstart", package("headstart"), "finds the fastest good model"),
        ("Keras", package("keras"), f"trains Part B on {backend}"),
        *((f"  {name}", text, "used" if name == backend else "not used") for name, text in backends.items()),
        ("OpenVINO", package("openvino"), "not used: there is a GPU" if has_gpu else "runs Part A and predict"),
        ("ONNX Runtime", package("onnxruntime"), "checks ONNX exports"),
        ("CUDA", _cuda() or "not found", "used by the Keras backend" if has_gpu else "not used"),
        ("cuDNN", _cudnn() or "not found", "used by the Keras backend" if has_gpu else "not used"),
        ("GPU", hardware["gpu"], "runs Part A and Part B" if has_gpu else f"not seen by {backend}"),
        ("CPU", f"{hardware['processor']}, {hardware['instructions']}", f"{hardware['cores']} cores in use"),
        ("Memory", hardware["memory"], ""),
    ]


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not a POSIX system
        return 0


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
