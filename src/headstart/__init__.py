"""Headstart trains and compares models on labelled images or a table, and finds the fastest good one for this machine.

Names are imported on first use, so that ``import headstart`` loads no heavy package.

Example::

    import headstart as hs

    run = hs.fit("flowers/", budget="2m")
    run.leaderboard()
    run.predict(["new/rose.jpg"])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from headstart.foundation.native_logs import hush_tensorflow
from headstart.foundation.privacy import keep_libraries_private

if TYPE_CHECKING:
    from headstart.api import extend, fit, load, resume
    from headstart.data.augmentation.augmentation import Augmentation
    from headstart.data.augmentation.presets import AUGMENTATIONS
    from headstart.data.dataset import Dataset
    from headstart.data.generator.image_data.image_data_generator import ImageDataGenerator
    from headstart.data.generator.image_generator import ImageGenerator
    from headstart.data.readers.arrays import read_arrays
    from headstart.data.readers.folders.folder import read_folder
    from headstart.data.readers.read import read_table
    from headstart.data.tasks import TASKS
    from headstart.doctor.findings import Finding
    from headstart.evaluation.evaluation import Evaluation
    from headstart.export.formats import FORMATS
    from headstart.features.backbones.backbones import BACKBONES
    from headstart.features.extraction import extract
    from headstart.features.features import Features
    from headstart.foundation.errors import HeadstartError
    from headstart.models.model import Model
    from headstart.search.planning.plans import PLANS
    from headstart.search.run import Run
    from headstart.training import callbacks
    from headstart.training.networks.networks import NETWORKS
    from headstart.training.recipe import Recipe

__version__ = "0.1.0"

keep_libraries_private()  # before any of them is imported
hush_tensorflow()

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
    "extend",
    "extract",
    "fit",
    "load",
    "read_arrays",
    "read_folder",
    "read_table",
    "resume",
]

_HOMES = {
    "AUGMENTATIONS": "data.augmentation.presets",
    "BACKBONES": "features.backbones.backbones",
    "FORMATS": "export.formats",
    "NETWORKS": "training.networks.networks",
    "PLANS": "search.planning.plans",
    "TASKS": "data.tasks",
    "Augmentation": "data.augmentation.augmentation",
    "Dataset": "data.dataset",
    "Evaluation": "evaluation.evaluation",
    "Features": "features.features",
    "Finding": "doctor.findings",
    "HeadstartError": "foundation.errors",
    "ImageDataGenerator": "data.generator.image_data.image_data_generator",
    "ImageGenerator": "data.generator.image_generator",
    "Model": "models.model",
    "Recipe": "training.recipe",
    "Run": "search.run",
    "extend": "api",
    "extract": "features.extraction",
    "fit": "api",
    "load": "api",
    "read_arrays": "data.readers.arrays",
    "read_folder": "data.readers.folders.folder",
    "read_table": "data.readers.read",
    "resume": "api",
}


def __getattr__(name: str) -> Any:
    if name == "callbacks":
        return import_module("headstart.training.callbacks")
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute {name!r}")
    return getattr(import_module(f"headstart.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
