"""The whole: Model = Part A + Part B, with the four verbs compile, fit, evaluate and predict."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from headstart.augmentation import find_augmentation
from headstart.cachefolder import cache_folder
from headstart.dataset import SPLITS, Dataset, nothing_to_evaluate
from headstart.determinism import be_deterministic
from headstart.errors import RunError, TrainingError
from headstart.export import FORMATS, Exported, export_model
from headstart.extractor import PIXELS, PartA
from headstart.features import Extraction, Features, Views, extract
from headstart.fingerprint import file_digest
from headstart.metrics import Evaluation, evaluate_predictions
from headstart.networks import Joined, adopt, build_head, join
from headstart.planfile import check_settings
from headstart.readers import read, unlabelled
from headstart.recipe import Recipe
from headstart.runfolder import read_json, read_json_lines, replacing, write_bytes
from headstart.signature import sign
from headstart.splits import group_duplicates, make_split
from headstart.store import Store
from headstart.tasks import TASKS, check_loss
from headstart.trainer import Built, Examples, Trained, train
from headstart.trials import Trial, check_trial, check_used, parse_trial

if TYPE_CHECKING:
    import keras
    import pandas as pd

__all__ = ["Model", "open_store", "prepare"]

Array = np.ndarray[Any, Any]


class Model:
    """Part A and Part B.

    Args:
        backbone: A key of ``BACKBONES``, several joined by ``+``, or ``pixels`` for a network of one's own.
        head: A key of ``NETWORKS``, a ``keras.Model``, or a function that builds a network; see ``networks.adopt``.
        pooling: A key of ``POOLINGS``.
        stage: Where the backbone is cut; behind the pooling if empty. What stands behind an inner cut is trained too.
        side: Side of the input image in pixels; the backbone's own if 0.
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
        head: str | keras.Model | Callable[..., keras.KerasTensor] = "linear",
        *,
        pooling: str = "grid2",
        stage: str = "",
        side: int = 0,
        weights: str | os.PathLike[str] | None = None,
    ) -> None:
        words = [backbone, stage, *([] if backbone == PIXELS else [pooling]), f"{side}px" if side else "", adopt(head)]
        trial = parse_trial("-".join(word for word in words if word), weights=Path(weights) if weights else None)
        self.part: PartA = trial.part
        self.recipe: Recipe = trial.recipe
        self.trained: Trained | None = None
        self.dataset: Dataset | None = None
        self.history: list[dict[str, Any]] = []
        self._shape: tuple[int, ...] = ()  # of a row
        self._num_samples = 0
        self._joined: Joined | None = None
        self._part_b: keras.Model | None = None
        self._source: Path | None = None  # where a loaded model lies

    @classmethod
    def of(cls, trial: Trial) -> Model:
        """The model of a trial."""
        model = cls()
        model.part, model.recipe = trial.part, trial.recipe
        return model

    def compile(
        self, optimizer: str | keras.optimizers.Optimizer | None = None, loss: str | None = None, **settings: Any
    ) -> None:
        """Decide how to train.

        Args:
            optimizer: Keras's name of an optimizer, or an optimizer; None: a solver for the linear head, Adam for others.
            loss: Keras's name of a loss; the task's own if None.
            settings: Other fields of ``Recipe``: learning_rate, schedule, tail_rate, epochs, batch_size, patience, views,
                augmentation, options, seed. Those that are not named stay as they are, but for the learning rate of an
                earlier optimizer.

        Raises:
            UsageError: There is no such setting (H031), its value cannot be used (H010, H012, H032), it would do nothing
                (H035), or they do not go together (H008, H023, H028, H041).
        """
        if optimizer is not None and "learning_rate" not in settings:
            settings["learning_rate"] = None  # the rate belonged to the optimizer before
        settings |= {"loss": loss} | ({} if _is_optimizer(optimizer) else {"optimizer": optimizer})
        check_settings(settings.get("network", self.recipe.network), settings)
        if "augmentation" in settings:
            settings["augmentation"] = find_augmentation(settings["augmentation"])
        recipe = replace(self.recipe, **(settings | {"optimizer": optimizer}))
        trial = check_trial(Trial(self.part, recipe), f"{self.part.name}-{recipe.network}")
        check_used(trial, settings)
        self.recipe = recipe

    def fit(self, data: Dataset | str | os.PathLike[str], *, validation: float = 0.2) -> list[dict[str, Any]]:
        """Extract features and train the head; a split that is missing is made.

        Returns:
            The history: a row an epoch with ``loss``, ``val_loss`` and ``val_accuracy``.

        Raises:
            UsageError: The loss that ``compile`` was given is not one for the data's task (H040).
        """
        dataset = data if isinstance(data, Dataset) else read(data)
        check_loss(self.recipe.loss, dataset.task, f"{self.part.name}-{self.recipe.network}")
        features = extract(dataset, self.part, open_store())
        dataset, features = prepare(dataset, features, validation=validation, seed=self.recipe.seed)
        be_deterministic()
        with tempfile.TemporaryDirectory() as folder:
            self.train(dataset, features.plus(self.views(dataset)), Path(folder))
            self.history = read_json_lines(Path(folder) / "history.jsonl")
        return self.history

    @property
    def val_loss(self) -> float:
        """The task's score of the fitted model on the validation split."""
        return self._fitted()[0].val_loss

    def views(
        self,
        dataset: Dataset,
        *,
        progress: Callable[[Extraction], None] = lambda _: None,
        deadline: float = float("inf"),
    ) -> Features:
        """The augmented copies of the training images that the recipe asks for, one view after the other."""
        recipe, indices = self.recipe, np.tile(dataset.indices("train"), self.recipe.views - 1)
        numbers = np.repeat(np.arange(1, recipe.views), len(dataset.indices("train")))
        views = Views(tuple(int(n) for n in numbers), recipe.views_augmentation, recipe.seed)
        return extract(dataset.take(indices), self.part, open_store(), views=views, progress=progress, deadline=deadline)

    def train(self, dataset: Dataset, features: Features, folder: Path, **options: Any) -> Trained:
        """Train Part B on features that are there.

        Args:
            dataset: Samples whose split is decided.
            features: A row for each of them, and behind those the rows of their views.
            folder: Takes the history and the best weights.
            options: See ``trainer.train``.
        """
        self.dataset = dataset
        train_indices, val_indices = dataset.indices("train"), dataset.indices("validation")
        gone = {*features.failures, *features.unreached}
        views = [i for i in range(len(dataset), len(features)) if i not in gone]
        source = np.tile(train_indices, max(1, self.recipe.views - 1))  # which sample each view is of
        examples = Examples(
            rows=features.rows([*train_indices, *views]),
            labels=dataset.labels[[*train_indices, *(source[i - len(dataset)] for i in views)]],
            val_rows=features.rows(val_indices),
            val_labels=dataset.labels[val_indices],
            task=dataset.task,
            num_classes=dataset.num_classes,
        )
        self._shape, self._num_samples = examples.rows.shape[1:], len(train_indices)
        self._joined = self._part_b = self._source = None
        self.trained = train(examples, self.recipe, folder, build=self._build, **options)
        if self._part_b is not None:  # the solver asked for none
            self._part_b.set_weights(self.trained.weights)
        return self.trained

    def restore(self, dataset: Dataset, features: Features, file: Path) -> Model:
        """The model that ``train`` made earlier, from the weights of Part B that it left in ``file``."""
        self.dataset = dataset
        indices = dataset.indices("train")
        self._shape, self._num_samples = features.rows(indices[:1]).shape[1:], len(indices)
        part_b, _ = self._build()
        part_b.load_weights(file)
        self.trained = Trained(self.recipe, part_b.get_weights(), float("nan"), float("nan"), 0, 0.0)
        return self

    def _build(self) -> Built:
        """A fresh Part B, and the layers in it that come from the backbone."""
        if not self.part.is_inner:
            self._part_b = self._make_head(self._shape)
            return self._part_b, []
        self._joined = join(self.part, self._make_head)
        self._part_b = self._joined.part_b
        return self._part_b, self._joined.tail

    def _make_head(self, shape: Sequence[int]) -> keras.Model:
        recipe, dataset = self.recipe, self.dataset
        if dataset is None:
            raise RuntimeError("a head is built for a data set")
        settings: dict[str, Any] = {"num_samples": self._num_samples, "options": recipe.options}
        return build_head(recipe.network, shape, dataset.task, dataset.num_classes, **settings)

    def part_b(self) -> keras.Model:
        """Part B as a Keras model: the row at the cut in, the task's output out."""
        trained, _ = self._fitted()
        if self._part_b is None:
            self._build()[0].set_weights(trained.weights)
        return cast("keras.Model", self._part_b)

    def keras(self) -> keras.Model:
        """Both parts as one Keras model of built-in layers, image of 0..255 in."""
        head = self.part_b()
        if self._joined is None:
            self._joined = join(self.part, lambda _: head)
        return self._joined.whole

    def num_params(self) -> int:
        """Parameters of both parts."""
        if self._joined is not None:
            return int(self._joined.whole.count_params())
        return _num_parameters(self.part) + int(self.part_b().count_params())

    @property
    def parts(self) -> list[PartA]:
        """Its Part A, alone; an ensemble has several."""
        return [self.part]

    def answers(self, features: Sequence[Features], indices: Array) -> Array:
        """Probabilities ``(n, classes)`` of stored rows; ``features`` are those of ``parts``, in that order."""
        return self.probabilities(features[0], indices)

    def probabilities(self, features: Features, indices: Array) -> Array:
        """Probabilities ``(n, classes)`` of stored rows."""
        from headstart.batches import predict_rows

        _, dataset = self._fitted()
        return TASKS[dataset.task].to_probabilities(predict_rows(self.part_b(), features.rows(indices)))

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

    def predict(self, images: str | os.PathLike[str] | Sequence[str] | Array) -> pd.DataFrame:
        """A table ``path, predicted, p_<class>…`` for a file or files, or for arrays ``(n, height, width[, channels])``.

        An array ``(height, width, 3)`` is one colour image.
        """
        from headstart.predictor import Prediction, as_frame

        _, fitted = self._fitted()
        if isinstance(images, np.ndarray) and images.ndim == 3 and images.shape[2] in (3, 4):
            images = images[None]
        dataset = unlabelled([os.fspath(images)] if isinstance(images, str | os.PathLike) else images, fitted)
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
        part_b = {"network": self.recipe.network, "options": dict(self.recipe.options), "num_samples": self._num_samples}
        sign(out, joined, dataset, self.part, part_b)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, weights: str | None = None) -> Model:
        """Rebuild a saved model from its signature and weights; no code is read from the file.

        Args:
            folder: Where ``save`` or ``fit`` wrote it.
            weights: The weights file of Part A, where the model was made with one.

        Raises:
            RunError: There is no saved model (H502), its file is not the signed one (H506), Part A has other weights
                than it was made with (H507), or it is an ensemble (H514).
        """
        path = Path(folder)
        signature = read_json(path / "signature.json")
        if "members" in signature["part_b"]:
            raise RunError(
                "H514",
                "an ensemble is not taken apart again",
                received=f"{path}: {len(signature['part_b']['members'])} models in one",
                expected="the model of a single trial",
                advice="use the run: headstart predict, evaluate, export; or load model.keras with Keras",
            )
        file = path / "model.keras"
        if not file.is_file() or file_digest(file) != signature["digests"]["model.keras"]:
            raise RunError(
                "H506",
                "the model was changed after it was written",
                received=f"{file}: missing, or its digest is not the signed one",
                expected="the file that Headstart wrote",
                advice="restore it from a copy, or fit again",
            )
        made, part_b = signature["part_a"], signature["part_b"]
        model = cls(
            made["backbone"],
            part_b["network"],
            pooling=made["pooling"],
            stage=made["stage"],
            side=made["side"],
            weights=weights,
        )
        signed = made["weights"]
        is_published = signed.startswith("imagenet")  # named by the version of Keras that fetched them, not by content
        if model.part.weights_digest() != signed and not (is_published and weights is None):
            raise RunError(
                "H507",
                "Part A has other weights than the model was made with",
                received=f"{model.part.name}: {weights or 'the published weights'}",
                expected="the weights file that fit was given",
                advice='name it: hs.Model.load(folder, weights="FILE")',
            )
        labels = tuple(signature["labels"])
        model.recipe = replace(model.recipe, options=part_b["options"])
        model._num_samples = part_b["num_samples"]
        model.dataset = Dataset("saved", signature["task"], "saved", labels, (), np.zeros(0, np.int64), (), ())
        model._joined = join(model.part, model._make_head, load=False)
        model._part_b = model._joined.part_b
        model._joined.whole.load_weights(path / "model.keras")
        model._source = path
        model.trained = Trained(model.recipe, model._part_b.get_weights(), float("nan"), float("nan"), 0, 0.0)
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


def _is_optimizer(optimizer: object) -> bool:
    """Whether it is an optimizer of Keras, which is not imported to tell that a name is none."""
    if isinstance(optimizer, str | None):
        return False
    import keras

    return isinstance(optimizer, keras.optimizers.Optimizer)


@lru_cache
def _num_parameters(part: PartA) -> int:
    import keras

    tensors = part.tensors(load=False)
    return int(keras.Model(tensors.image, tensors.row).count_params())


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
