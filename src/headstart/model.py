"""The whole: Model = Part A + Part B, with the four verbs compile, fit, evaluate and predict."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.dataset import SPLITS, Dataset, nothing_to_evaluate
from headstart.errors import RunError, TrainingError
from headstart.export import FORMATS, Exported, export_model
from headstart.extractor import PartA
from headstart.features import Features, extract
from headstart.fingerprint import file_digest
from headstart.metrics import Evaluation, evaluate_predictions
from headstart.networks import join, part_b
from headstart.plans import Trial, parse_trial
from headstart.readers import read, unlabelled
from headstart.runfolder import read_json, read_json_lines, replacing, write_bytes
from headstart.signature import sign
from headstart.splits import group_duplicates, make_split
from headstart.store import Store, cache_folder
from headstart.tasks import TASKS
from headstart.trainer import Examples, Recipe, Trained, train

if TYPE_CHECKING:
    import keras
    import pandas as pd

__all__ = ["Model", "num_parameters", "open_store", "prepare"]

Array = np.ndarray[Any, Any]


class Model:
    """A backbone with a head.

    Args:
        backbone: A key of ``BACKBONES``.
        head: A key of ``NETWORKS``.
        pooling: A key of ``POOLINGS``.
        weights: Local weights file for a network of keras.applications.

    Example::

        model = hs.Model("efficientnet_lite0", head="mlp")
        model.compile(optimizer="RMSprop")
        model.fit(hs.read_folder("flowers/"))
        model.evaluate("flowers/test").accuracy
    """

    def __init__(
        self,
        backbone: str = "efficientnet_lite0",
        head: str = "linear",
        *,
        pooling: str = "grid2",
        weights: str | None = None,
    ) -> None:
        trial = parse_trial(f"{backbone}-{pooling}-{head}", weights=Path(weights) if weights else None)
        self.part: PartA = trial.part
        self.recipe: Recipe = trial.recipe
        self.trained: Trained | None = None
        self.dataset: Dataset | None = None
        self.history: list[dict[str, Any]] = []
        self._num_features = 0
        self._head: keras.Model | None = None
        self._source: Path | None = None  # where a loaded model lies

    @classmethod
    def of(cls, trial: Trial) -> Model:
        """The model of a trial."""
        model = cls(trial.part.backbone, trial.recipe.network, pooling=trial.part.pooling)
        model.part, model.recipe = trial.part, trial.recipe
        return model

    def compile(
        self, optimizer: str | keras.optimizers.Optimizer | None = None, loss: str | None = None, **settings: Any
    ) -> None:
        """Decide how to train.

        Args:
            optimizer: Keras's name of an optimizer, or an optimizer; None: a solver for the linear head, Adam for others.
            loss: Keras's name of a loss; the task's own if None.
            settings: Other fields of ``Recipe``: epochs, batch_size, patience, seed.
        """
        self.recipe = replace(self.recipe, optimizer=optimizer, loss=loss, **settings)

    def fit(self, data: Dataset | str | os.PathLike[str], *, validation: float = 0.2) -> list[dict[str, Any]]:
        """Extract features and train the head; a split that is missing is made.

        Returns:
            The history: a row an epoch with ``loss``, ``val_loss`` and ``val_accuracy``.
        """
        dataset = data if isinstance(data, Dataset) else read(data)
        features = extract(dataset, self.part, open_store())
        dataset, features = prepare(dataset, features, validation=validation, seed=self.recipe.seed)
        with tempfile.TemporaryDirectory() as folder:
            self.train(dataset, features, Path(folder))
            self.history = read_json_lines(Path(folder) / "history.jsonl")
        return self.history

    @property
    def val_loss(self) -> float:
        """The task's score of the fitted model on the validation split."""
        return self._fitted()[0].val_loss

    def train(self, dataset: Dataset, features: Features, folder: Path, **options: Any) -> Trained:
        """Train the head on features that are there; ``folder`` takes the history and the best weights."""
        self.dataset = dataset
        train_indices, val_indices = dataset.indices("train"), dataset.indices("validation")
        examples = Examples(
            rows=features.rows(train_indices),
            labels=dataset.labels[train_indices],
            val_rows=features.rows(val_indices),
            val_labels=dataset.labels[val_indices],
            task=dataset.task,
            num_classes=dataset.num_classes,
        )
        self._num_features, self._head, self._source = examples.rows.shape[1], None, None
        self.trained = train(examples, self.recipe, folder, **options)
        return self.trained

    def head(self) -> keras.Model:
        """Part B as a Keras model."""
        trained, dataset = self._fitted()
        if self._head is None:
            self._head = part_b(self.recipe.network, self._num_features, dataset.task, dataset.num_classes)
            self._head.set_weights(trained.weights)
        return self._head

    def keras(self) -> keras.Model:
        """Both parts as one Keras model of built-in layers, image of 0..255 in."""
        return join(*self.part.tensors(), self.head())

    def probabilities(self, features: Features, indices: Array) -> Array:
        """Probabilities ``(n, classes)`` of stored rows."""
        _, dataset = self._fitted()
        output = self.head().predict(features.rows(indices), batch_size=1024, verbose=0)
        return TASKS[dataset.task].to_probabilities(np.asarray(output))

    def evaluate(self, data: Dataset | str | os.PathLike[str] | None = None) -> Evaluation:
        """Measure on a data set, or on the split of the fitted one that is most honest: test, else validation.

        A data set with a test split is measured on that; any other as a whole. Samples that the model was fitted or chosen
        on are known by their content, and the evaluation then names that split.

        Raises:
            DatasetError: No sample of the model's classes can be read (H110).
        """
        _, fitted = self._fitted()
        if data is None:
            chosen = fitted.take(fitted.indices("test" if "test" in fitted.split else "validation"))
        else:
            dataset = data if isinstance(data, Dataset) else read(data, classes=fitted.classes)
            dataset = dataset.relabelled(fitted.classes)
            chosen = dataset.take(dataset.indices("test")) if "test" in dataset.split else dataset
        features = extract(chosen, self.part, open_store())
        usable = np.array([i for i in range(len(chosen)) if i not in features.failures], np.int64)
        if not len(usable):
            raise nothing_to_evaluate(chosen.name, fitted.classes)
        split_of = dict(zip(fitted.digests, fitted.split, strict=True))
        seen = {split_of.get(chosen.digests[i], "") for i in usable}
        evaluation = evaluate_predictions(
            fitted.task,
            fitted.classes,
            chosen.labels[usable],
            self.probabilities(features, usable),
            split=next((name for name in SPLITS if name in seen), "test"),
        )
        return replace(evaluation, skipped=(*chosen.skipped, *features.skipped(chosen)[0]))

    def predict(self, images: str | Sequence[str] | Array) -> pd.DataFrame:
        """A table ``path, predicted, p_<class>…`` for files, or for arrays of images ``(n, height, width[, channels])``."""
        from headstart.predictor import Prediction, as_frame

        _, fitted = self._fitted()
        dataset = unlabelled([images] if isinstance(images, str) else images, fitted)
        features = extract(dataset, self.part, open_store())
        usable = [i for i in range(len(dataset)) if i not in features.failures]
        found = dict(zip(usable, self.probabilities(features, np.array(usable)), strict=True)) if usable else {}
        answers = [
            Prediction(path, fitted.classes[int(found[i].argmax())], found[i], "")
            if i in found
            else Prediction(path, None, None, features.failures[i])
            for i, path in enumerate(dataset.paths)
        ]
        return as_frame(answers, fitted.classes)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write model.keras, signature.json, golden.npz and preprocess.py: all that ``export`` and ``load`` need."""
        _, dataset = self._fitted()
        out = Path(folder)
        if self._source is not None:
            for name in ("model.keras", "golden.npz", "preprocess.py", "signature.json"):
                write_bytes(out / name, (self._source / name).read_bytes())
            return
        joined = self.keras()
        with replacing(out / "model.keras") as temporary:
            joined.save(temporary)
        sign(out, joined, dataset, self.part, self.recipe.network)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, weights: str | None = None) -> Model:
        """Rebuild a saved model from its signature and weights; no code is read from the file.

        Args:
            folder: Where ``save`` or ``fit`` wrote it.
            weights: The weights file of Part A, where the model was made with one.

        Raises:
            RunError: There is no saved model (H502), its file is not the one that was signed (H506), or Part A's weights
                are not the ones that it was made with (H507).
        """
        path = Path(folder)
        signature = read_json(path / "signature.json")
        file = path / "model.keras"
        if not file.is_file() or file_digest(file) != signature["digests"]["model.keras"]:
            raise RunError(
                "H506",
                "the model was changed after it was written",
                received=f"{file}: missing, or its digest is not the signed one",
                expected="the file that Headstart wrote",
                advice="restore it from a copy, or fit again",
            )
        model = cls(
            signature["part_a"]["backbone"],
            signature["part_b"]["network"],
            pooling=signature["part_a"]["pooling"],
            weights=weights,
        )
        signed = signature["part_a"]["weights"]
        is_published = signed.startswith("imagenet")  # named by the version of Keras that fetched them, not by content
        if model.part.card.weights_digest(model.part.weights) != signed and not (is_published and weights is None):
            raise RunError(
                "H507",
                "Part A has other weights than the model was made with",
                received=f"{model.part.name}: {weights or 'the published weights'}",
                expected="the weights file that fit was given",
                advice='name it: hs.Model.load(folder, weights="FILE")',
            )
        labels = tuple(signature["labels"])
        image, rows = model.part.tensors(load=False)
        head = part_b(model.recipe.network, rows.shape[-1], signature["task"], len(labels))
        join(image, rows, head).load_weights(path / "model.keras")
        model._num_features = rows.shape[-1]
        model.dataset = Dataset("saved", signature["task"], "saved", labels, (), np.zeros(0, np.int64), (), ())
        model._source = path
        model.trained = Trained(model.recipe, head.get_weights(), float("nan"), float("nan"), 0, 0.0)
        return model

    def export(self, *formats: str, out: str | os.PathLike[str]) -> list[Exported]:
        """Write the model in formats of ``FORMATS``, each checked in a fresh process."""
        wanted = formats or list(FORMATS)
        if self._source is not None:
            return export_model(self._source, wanted, Path(out))
        with tempfile.TemporaryDirectory() as folder:
            self.save(folder)
            return export_model(Path(folder), wanted, Path(out))

    def _fitted(self) -> tuple[Trained, Dataset]:
        if self.trained is None or self.dataset is None:
            raise TrainingError(
                "H302",
                "the model is not fitted",
                received=f"{self.part.name} with an untrained {self.recipe.network} head",
                expected="a fitted model",
                advice="call fit first",
            )
        return self.trained, self.dataset


@lru_cache
def num_parameters(part: PartA) -> int:
    """Parameters of a Part A."""
    import keras

    return int(keras.Model(*part.tensors(load=False)).count_params())


def open_store() -> Store:
    """The feature store in the cache folder."""
    return Store(cache_folder() / "features")


def prepare(dataset: Dataset, features: Features, *, validation: float, seed: int) -> tuple[Dataset, Features]:
    """Leave out what gave no row, group copies, and decide the split."""
    skipped, positions = features.skipped(dataset)
    if positions:
        gone = set(positions)
        features = features.take([i for i in range(len(dataset)) if i not in gone])
        dataset = dataset.without(skipped, positions)
    grouped = group_duplicates(dataset, features.thumbnails)
    return make_split(grouped, validation=validation, seed=seed), features
