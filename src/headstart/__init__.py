"""Headstart: labelled images or a table in; the fastest good model here, an honest report and a file to ship out.

Names are imported when they are first used, so that ``import headstart`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from headstart.privacy import keep_libraries_private

if TYPE_CHECKING:
    from headstart import callbacks
    from headstart.api import fit, resume
    from headstart.augmentation import AUGMENTATIONS, Augmentation
    from headstart.backbones import BACKBONES
    from headstart.dataset import Dataset
    from headstart.doctor import Finding
    from headstart.errors import HeadstartError
    from headstart.export import FORMATS
    from headstart.features import Features, extract
    from headstart.generator import ImageGenerator
    from headstart.metrics import Evaluation
    from headstart.model import Model
    from headstart.networks import NETWORKS
    from headstart.plans import PLANS
    from headstart.readers import read_arrays, read_folder, read_table
    from headstart.recipe import Recipe
    from headstart.retired import ImageDataGenerator
    from headstart.run import Run
    from headstart.tasks import TASKS

__version__ = "0.1.0"

keep_libraries_private()  # before any of them is imported

__all__ = [
    "AUGMENTATIONS",
    "BACKBONES",
    "FORMATS",
    "NETWORKS",
    "PLANS",
    "TASKS",
    "Augmentation",
    "Dataset",
    "Evaluation",
    "Features",
    "Finding",
    "HeadstartError",
    "ImageDataGenerator",
    "ImageGenerator",
    "Model",
    "Recipe",
    "Run",
    "__version__",
    "callbacks",
    "extract",
    "fit",
    "read_arrays",
    "read_folder",
    "read_table",
    "resume",
]

_HOMES = {
    "AUGMENTATIONS": "augmentation",
    "BACKBONES": "backbones",
    "FORMATS": "export",
    "NETWORKS": "networks",
    "PLANS": "plans",
    "TASKS": "tasks",
    "Augmentation": "augmentation",
    "Dataset": "dataset",
    "Evaluation": "metrics",
    "Features": "features",
    "Finding": "doctor",
    "HeadstartError": "errors",
    "ImageDataGenerator": "retired",
    "ImageGenerator": "generator",
    "Model": "model",
    "Recipe": "recipe",
    "Run": "run",
    "extract": "features",
    "fit": "api",
    "read_arrays": "readers",
    "read_folder": "readers",
    "read_table": "readers",
    "resume": "api",
}


def __getattr__(name: str) -> Any:
    if name == "callbacks":
        return import_module("headstart.callbacks")
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute {name!r}")
    return getattr(import_module(f"headstart.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
