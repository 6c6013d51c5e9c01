"""Model: Part A and Part B as one, with compile, fit, evaluate, predict, save, load and export."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.augmentation.presets import find_augmentation
from headstart.data.dataset import Dataset
from headstart.data.folds import folds_to_select_on
from headstart.data.groups import check_duplicates
from headstart.data.prediction_inputs import index_of, rows_of, to_images
from headstart.data.readers.labels.target_column import NumberFormats
from headstart.data.readers.read import read, unlabelled, unlabelled_rows
from headstart.data.readers.tables.table import Known
from headstart.data.tasks import TASKS
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.thresholds import best_thresholds
from headstart.evaluation.uncertainty.conformal import Conformal, fit_conformal
from headstart.evaluation.uncertainty.novelty import Novelty, fit_novelty
from headstart.export.export_folder import Exported, export_model
from headstart.export.formats import FORMATS
from headstart.features.engines import make_engine, preparation
from headstart.features.extraction import extract
from headstart.features.features import Extraction, FeatureRows, Features, Views
from headstart.features.part_a import PartA
from headstart.features.tables.table_features import TableFeatures, one_hot_columns
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError, TrainingError
from headstart.foundation.progress import Progress
from headstart.foundation.progress_display import make_progress
from headstart.foundation.runs.files import read_json_lines, replacing, write_csv
from headstart.foundation.runs.run_folder import RunFolder, check_free
from headstart.foundation.text import html_card, html_table
from headstart.models.fitting import gather, open_store, uses_every_label
from headstart.models.golden_samples import Signed
from headstart.models.predictions import Prediction, as_frame, verdicts, with_errors
from headstart.models.saved_model import copy_saved_model, read_saved_model
from headstart.models.scoring import Origin, contents_of, origin_of, samples_to_score, save_evaluation, score
from headstart.models.signature import sign
from headstart.training.examples import Examples, HeldOut
from headstart.training.framework_state import be_deterministic
from headstart.training.history import History
from headstart.training.networks.networks import adopt
from headstart.training.networks.outputs import outputs_of
from headstart.training.part_b import PartB
from headstart.training.recipe import Recipe
from headstart.training.trained import Trained, is_solved
from headstart.training.trainer import train
from headstart.training.trials.settings import check_settings
from headstart.training.trials.trial import Trial, check_kind, check_task, check_trial, trial_of
from headstart.training.trials.unused_settings import check_used

if TYPE_CHECKING:
    import keras
    import pandas as pd

__all__ = ["Model"]


class Model:
    """A model of two parts: a frozen backbone or table encoder (Part A), and the network trained on its output (Part B).

    Args:
        backbone: A key of ``BACKBONES``, several keys joined by ``+``, ``pixels`` for a network trained from scratch, or
            ``table`` for rows of features. Defaults to ``"efficientnet_lite0"``.
        head: A key of ``NETWORKS``, a ``keras.Model``, or a function that builds a network. Defaults to ``"linear"``.
        pooling: A key of ``POOLINGS``. Defaults to ``"grid2"``.
        stage: Stage at which the backbone is cut; later layers are trained too. Defaults to ``""``: cut after the pooling.
        side: Side of the input image in pixels. Defaults to 0, which uses the backbone's own.
        weights: Local weights file for a backbone of ``keras.applications``.

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
        trial = trial_of(backbone, adopt(head), pooling=pooling, stage=stage, side=side, weights=weights)
        self.part: PartA = trial.part
        self.recipe: Recipe = trial.recipe
        self.trained: Trained | None = None
        self.dataset: Dataset | None = None
        self.history = History()
        self.thresholds: tuple[float, ...] = ()
        self.conformal = Conformal()
        self.novelty: Novelty | None = None
        self.encoding: dict[str, Any] | None = None  # of a table
        self._part_b: PartB | None = None
        self._held_out: HeldOut | None = None  # if the training or a calibration made them
        self._source: Path | None = None  # folder of a loaded model
        self._engine_of = lru_cache(maxsize=1)(make_engine)  # compiled for the first prediction, and kept

    @classmethod
    def from_trial(cls, trial: Trial) -> Model:
        """Create the model that a trial describes."""
        model = cls()
        model.part, model.recipe = trial.part, trial.recipe
        return model

    def compile(
        self, optimizer: str | keras.optimizers.Optimizer | None = None, loss: str | None = None, **settings: Any
    ) -> None:
        """Set how the model is trained.

        Args:
            optimizer: Keras name of an optimizer, or an optimizer. Defaults to a solver for the linear head, otherwise Adam.
            loss: Keras name of a loss. Defaults to the task's loss.
            settings: Other fields of ``Recipe``: learning_rate, schedule, tail_rate, epochs, batch_size, patience, views,
                augmentation, options, seed. Fields that are not given keep their values, except that naming an optimizer
                resets the learning rate.

        Raises:
            UsageError: A setting is unknown (H031), its value is invalid (H010, H012, H032), it would have no effect
                (H035), or the settings do not fit together (H008, H023, H028, H041).
        """
        if optimizer is not None and "learning_rate" not in settings:
            settings["learning_rate"] = None  # the old rate was meant for the previous optimizer
        settings |= {"loss": loss} | ({} if _is_optimizer(optimizer) else {"optimizer": optimizer})
        check_settings(settings.get("network", self.recipe.network), settings)
        if "augmentation" in settings:
            settings["augmentation"] = find_augmentation(settings["augmentation"])
        recipe = replace(self.recipe, **(settings | {"optimizer": optimizer}))
        trial = check_trial(Trial(self.part, recipe), f"{self.part.name}-{recipe.network}")
        check_used(trial, settings)
        self.recipe = recipe

    def fit(
        self,
        data: Dataset | str | os.PathLike[str] | pd.DataFrame,
        *,
        validation: float = 0.2,
        duplicates: str | None = None,
        progress: Progress | bool = True,
    ) -> History:
        """Extract features, train Part B and tune its thresholds. Data without a split are split first.

        Args:
            data: A folder, a table, a data frame or a ``Dataset``.
            validation: Share held out if the data have no validation split. Defaults to 0.2.
            duplicates: ``"group"`` to keep near duplicates in one split however many look alike, ``"keep"`` to treat them
                as separate samples. Defaults to None: decided as in ``fit``.
            progress: As in ``hs.fit``: True to show it, False for silence, or an object that receives it. Defaults to True.

        Returns:
            Losses and metrics by epoch, as Keras does: ``history.history["val_loss"]``.

        Raises:
            UsageError: The loss does not fit the data's task (H040), an image model got a table or vice versa (H042), or
                the treatment of duplicates is unknown (H130).
        """
        check_duplicates(duplicates)
        shown, name = make_progress(progress), f"{self.part.name}-{self.recipe.network}"

        def report(state: Extraction) -> None:
            shown.advance(state.done, "" if state.num_computed or state.done == state.total else preparation(self.part))

        try:
            shown.begin("reading the data", 0)
            dataset = data if isinstance(data, Dataset) else read(data)
            dataset = replace(dataset, duplicates=duplicates or dataset.duplicates)
            check_kind(self.part, dataset, name)
            check_task(Trial(self.part, self.recipe), dataset)
            shown.begin(f"Part A, computing features: {self.part.name}", len(dataset))
            dataset, features = gather(dataset, self.part, validation=validation, seed=self.recipe.seed, progress=report)
            self.part = features.part
            rows = features.plus(self.views(dataset, progress=report)) if isinstance(features, Features) else features
            shown.begin(f"Part B, training {name}", 0)
            be_deterministic()
            self.history = self._trained(dataset, rows, shown)
            self.tune(self.held_out(features))
            shown.say(f"{name}: val_loss {self.val_loss:.4f}")
        finally:
            shown.end()
        return self.history

    def _trained(self, dataset: Dataset, rows: FeatureRows, shown: Progress) -> History:
        def report(epoch: int, val_loss: float) -> None:
            shown.advance(epoch + 1, f"epoch {epoch + 1}, val_loss {val_loss:.4f}")

        with tempfile.TemporaryDirectory() as folder:
            self.train(dataset, rows, Path(folder), on_epoch=report)
            return History(read_json_lines(Path(folder) / "history.jsonl"))

    def __repr__(self) -> str:
        dataset, state = self.dataset, "not fitted"
        if dataset is not None:
            learned = ("train", "validation") if uses_every_label(dataset, self.part, self.recipe) else ("train",)
            number = len(dataset.indices(*learned))
            state = f"fitted on {number} {dataset.sample_noun}s" if number else f"loaded, {dataset.task}"
        return f"Model({self.part.name}-{self.recipe.network}, {state})"

    def _repr_html_(self) -> str:
        """Return the parts of the model as HTML, for notebooks."""
        settings = self.recipe.to_json().items()
        rows = [(name, value) for name, value in settings if value not in (None, {}, "")]
        return html_card(repr(self), [], html_table(["setting", "value"], [("part_a", self.part.name), *rows]))

    @property
    def val_loss(self) -> float:
        """Loss of the fitted model on the validation split."""
        return self._fitted()[0].val_loss

    def views(
        self,
        dataset: Dataset,
        *,
        progress: Callable[[Extraction], None] = lambda _: None,
        deadline: float = float("inf"),
    ) -> Features:
        """Extract features of the augmented copies of the training images that the recipe asks for, view by view."""
        recipe, indices = self.recipe, np.tile(dataset.indices("train"), self.recipe.views - 1)
        numbers = np.repeat(np.arange(1, recipe.views), len(dataset.indices("train")))
        views = Views(tuple(int(n) for n in numbers), recipe.views_augmentation, recipe.seed)
        return extract(dataset.take(indices), self.part, open_store(), views=views, progress=progress, deadline=deadline)

    def train(self, dataset: Dataset, features: FeatureRows, folder: Path, **options: Any) -> Trained:
        """Train Part B on extracted features.

        Args:
            dataset: Samples that have a split.
            features: One row per sample, followed by the rows of their views.
            folder: Folder for the history and the best weights.
            options: Passed on to ``trainer.train``.
        """
        train_indices, val_indices = dataset.indices("train"), dataset.indices("validation")
        gone = {*features.failures, *features.unreached}
        views = [i for i in range(len(dataset), len(features)) if i not in gone]
        source = np.tile(train_indices, max(1, self.recipe.views - 1))  # which sample each view is of
        targets = dataset.targets
        rows, val_rows = features.rows([*train_indices, *views]), features.rows(val_indices)
        places = np.array([*train_indices, *(source[i - len(dataset)] for i in views), *val_indices], np.int64)
        part_b = self._begin(dataset, features, rows.shape[1:])
        examples = Examples(
            rows=rows,
            labels=targets[places[: len(rows)]],
            val_rows=val_rows,
            val_labels=targets[val_indices],
            task=part_b.task,
            num_classes=dataset.num_classes,
            one_hot=one_hot_columns(self.encoding) if self.encoding else (),
            folds=self._folds(dataset, places),
            num_views=len(views),
        )
        if is_solved(self.recipe, is_inner=self.part.is_inner):
            examples = examples.dense(len(part_b.code_sizes))
        self.trained = train(examples, self.recipe, folder, build=part_b.build, **options)
        part_b.set_weights(self.trained.weights)
        if (held_out := self.trained.held_out) is not None:
            self._held_out = HeldOut(places[held_out.samples], held_out.answers)
        if part_b.is_one_vs_rest:
            self._calibrate(val_rows, val_indices)
            part_b.save(folder, anew=True)
        return self._fitted()[0]

    def _folds(self, dataset: Dataset, places: Array) -> Array | None:
        """Folds of the samples at these places, on which a linear head or trees are selected before all of them are fitted.

        None if the user made the validation split, which is then for selection alone.
        """
        if not uses_every_label(dataset, self.part, self.recipe):
            return None
        folds: Array = folds_to_select_on(dataset, seed=self.recipe.seed)[places]
        return folds

    def _calibrate(self, rows: Array, samples: Array) -> None:
        """Calibrate one-vs-rest networks on the validation rows, and score them with out-of-fold calibration."""
        trained, dataset = self._fitted()
        task, part_b, labels = self.part_b.task, self.part_b, dataset.targets[samples]
        answers = part_b.calibrate(labels, rows, dataset.group_numbers(samples))
        self._held_out = HeldOut(samples, answers)
        score, metric = task.score(labels, answers), task.measure(labels, answers)
        self.trained = replace(trained, weights=part_b.network.get_weights(), val_loss=score, val_metric=metric)

    def restore(self, dataset: Dataset, features: FeatureRows, folder: Path) -> Model:
        """Restore the model that an earlier ``train`` wrote, from the weights of Part B in ``folder``."""
        part_b = self._begin(dataset, features, features.rows(dataset.indices("train")[:1]).shape[1:])
        weights = part_b.restore(folder)
        self.trained = Trained(self.recipe, weights, float("nan"), float("nan"), 0, 0.0)
        return self

    def tune(self, held_out: HeldOut) -> None:
        """Tune thresholds, sets of classes, and means or medians of log-scaled targets on held-out predictions.

        Args:
            held_out: What ``held_out`` returned, here or in an earlier process.
        """
        _, dataset = self._fitted()
        labels = dataset.labels[held_out.samples]
        if dataset.scaling is not None and any(dataset.scaling.logs):
            self.dataset = dataset.smeared(labels, held_out.answers)
            self.part_b.dataset = self.dataset
        answers, scaling = self.in_units(held_out.answers), self._fitted()[1].scaling
        self.conformal = fit_conformal(dataset.task, labels, answers, scaling)
        self.thresholds = best_thresholds(dataset.task, labels, answers)

    def learn_unknown(self, features: Sequence[FeatureRows]) -> None:
        """Fit the score of unknown images to the training split, with limits from the validation split.

        Args:
            features: Stored rows as a list of one, as for ``answers``; the model has a backbone.
        """
        _, dataset = self._fitted()
        train, validation = dataset.indices("train"), dataset.indices("validation")
        known, held_out = (self.part_b.features(features[0].rows(indices)) for indices in (train, validation))
        classes = dataset.labels[train] if TASKS[dataset.task].has_classes else None
        self.novelty = fit_novelty(known, classes, held_out)

    def unknown_scores(self, features: Sequence[FeatureRows], indices: Array) -> Array:
        """Score stored rows by how unlike the training images they are, ``(n,)``; ``(0,)`` before ``learn_unknown``."""
        return np.zeros(0) if self.novelty is None else self.novelty.scores(self.part_b.features(features[0].rows(indices)))

    def _begin(self, dataset: Dataset, features: FeatureRows, shape: Sequence[int]) -> PartB:
        self.dataset, self._source, self._held_out = dataset, None, None
        self.conformal, self.novelty = Conformal(), None
        self.encoding = features.encoding if isinstance(features, TableFeatures) else None
        num_samples = len(dataset.indices("train"))
        self._part_b = PartB(self.part, self.recipe, dataset, shape, num_samples, features.code_sizes)
        return self._part_b

    @property
    def part_b(self) -> PartB:
        """The fitted Part B.

        Raises:
            TrainingError: The model is not fitted (H302).
        """
        self._fitted()
        if self._part_b is None:
            raise RuntimeError("a fitted model has a Part B")
        return self._part_b

    def keras(self) -> keras.Model:
        """Return both parts as one Keras model of built-in layers that takes images (0 to 255) or encoded table rows.

        After ``learn_unknown``, it has a second output ``(batch, 1)``: how unlike the training images an image is.
        """
        whole = self.part_b.shipped()
        return whole if self.novelty is None else self.novelty.added_to(whole, self.part_b.joined().features)

    def num_params(self) -> int:
        """Count the parameters of both parts."""
        return self.part_b.num_params()

    @property
    def parts(self) -> list[PartA]:
        """Part A as a list of one; an ensemble has several."""
        return [self.part]

    def answers(self, features: Sequence[FeatureRows], indices: Array) -> Array:
        """Predict stored rows: ``(n, columns)``, in the user's units. ``features`` has one entry for each of ``parts``."""
        return self.in_units(self.scaled_answers(features[0], indices))

    def in_units(self, scaled: Array) -> Array:
        """Convert predictions from the scale of ``Dataset.targets`` to the user's units, as the saved model does."""
        return self._fitted()[1].in_units(scaled)

    def scaled_answers(self, features: FeatureRows, indices: Array) -> Array:
        """Predict stored rows: ``(n, columns)``, in the scale of ``Dataset.targets``."""
        return self.part_b.answers(features.rows(indices))

    def held_out(self, features: FeatureRows) -> HeldOut:
        """Return predictions of the validation split, or of all folds, by weights that were not fitted to the sample.

        ``val_loss`` is computed from them. One-vs-rest predictions are calibrated out of fold: on samples of the validation
        split other than the predicted one.
        """
        validation = self._fitted()[1].indices("validation")
        return self._held_out or HeldOut(validation, self.scaled_answers(features, validation))

    def evaluate(
        self,
        data: Dataset | str | os.PathLike[str] | pd.DataFrame | None = None,
        *,
        out: str | os.PathLike[str] | None = None,
    ) -> Evaluation:
        """Evaluate on ``data``, or without it on the test split of the fitted data, or validation if there is no test split.

        ``data`` with a test split is evaluated on that split, otherwise as a whole. Samples used to fit or select the
        model are recognised by content, and the evaluation then names their split. The numbers, predictions and figures are
        written to the folder ``out``, if it is given.

        Raises:
            RunError: There are files in ``out`` (H501).
            DatasetError: No sample of the model's classes can be read, or a loaded model got no data (H110).
        """
        _, fitted = self._fitted()
        if out is not None:
            check_free(Path(out))
        if data is not None:
            chosen = samples_to_score(data, self._known(), are_rows=self.part.is_table)
        elif len(fitted):
            chosen = fitted.take(fitted.indices("test" if "test" in fitted.split else "validation"))
        else:
            raise DatasetError(
                "H110",
                "nothing to evaluate",
                received="no data, for a model that was loaded",
                expected="data to evaluate on, because a saved model does not store its samples",
                advice="pass them: model.evaluate(DATA)",
            )
        features = self._features_of(chosen)
        usable = np.array([i for i in range(len(chosen)) if i not in features.failures], np.int64)
        if data is None and chosen.split[0] == "validation" and self._held_out is not None:
            answers = self.in_units(self._held_out.at(fitted.indices("validation")[usable]))
        else:
            answers = self.answers([features], usable) if len(usable) else np.zeros((0, fitted.num_classes))

        def origin(positions: Sequence[int]) -> Origin:
            if data is None:
                return Origin(chosen.split[0], 0, is_look=False)
            contents = contents_of(chosen, self.encoding)
            return origin_of([contents[i] for i in positions], self._fitted_contents(), are_rows=self.part.is_table)

        predictions = dict(zip(usable.tolist(), answers, strict=True))
        evaluation = score(chosen, predictions, features.skipped(chosen)[0], origin, self.thresholds)
        if out is not None:
            save_evaluation(Path(out), evaluation, chosen, usable.tolist(), self.thresholds)
        return evaluation

    def predict(self, samples: Any, *, coverage: float | None = None) -> pd.DataFrame:
        """Predict samples and return a data frame with the columns ``path, predicted, p_<class>…``, in the given order.

        It takes what ``Run.predict`` takes, and keeps the index of a data frame or series. The first column of the result is
        ``row`` for a model of table features. With ``coverage``, there are columns with sets or intervals, as there.

        Raises:
            UsageError: The coverage is out of range (H048), or there were too few held-out samples for it (H049).
        """
        _, fitted = self._fitted()
        sets = None
        if coverage is not None:
            sets = self.conformal.with_coverage(coverage, fitted.task, fitted.classes, fitted.scaling)
        samples = rows_of(samples) if self.part.is_table else samples
        index = index_of(samples)
        if self.part.is_table:
            dataset = unlabelled_rows(samples, fitted, self._known())
            return as_frame(self._predictions(dataset), fitted.task, fitted.classes, dataset.key, index, sets)
        with to_images(samples) as images:
            dataset = unlabelled(images.files if images.arrays is None else images.arrays, fitted)
            answers = [
                given._replace(path=name) for name, given in zip(images.names, self._predictions(dataset), strict=True)
            ]
        return as_frame(answers, fitted.task, fitted.classes, dataset.key, index, sets)

    def _predictions(self, dataset: Dataset) -> list[Prediction]:
        _, fitted = self._fitted()
        features = self._features_of(dataset)
        usable = [i for i in range(len(dataset)) if i not in features.failures]
        answers = self.answers([features], np.array(usable)) if usable else np.zeros((0, fitted.num_classes))
        texts = verdicts(fitted.task, fitted.classes, answers, self.thresholds)
        by_index = {i: (text, answer) for i, text, answer in zip(usable, texts, answers, strict=True)}
        predictions = [
            Prediction(path, *by_index[i], "") if i in by_index else Prediction(path, None, None, features.failures[i])
            for i, path in enumerate(dataset.paths)
        ]
        return with_errors(predictions, dataset.skipped) if self.part.is_table else predictions

    def _fitted_contents(self) -> list[tuple[str, str]]:
        """The content digest and the split of each sample of the fitted data."""
        _, fitted = self._fitted()
        if self._source is None:
            return list(zip(contents_of(fitted, self.encoding), fitted.split, strict=True))
        path = self._source / "contents.csv"
        rows = RunFolder(self._source).rows(path.name) if path.exists() else []
        return [(row["digest"], row["split"]) for row in rows]

    def _known(self) -> Known:
        _, fitted = self._fitted()
        reads = tuple(spec["name"] for spec in self.encoding["columns"]) if self.encoding else ()
        columns, set_aside = fitted.table_columns, fitted.set_aside
        targets, group = fitted.target_columns, fitted.group_column
        formats = NumberFormats(fitted.target_formats, (self.encoding or {}).get("separator", ""))
        return Known(fitted.classes, fitted.task, targets, None, columns, reads, set_aside, formats, group)

    def _features_of(self, dataset: Dataset) -> FeatureRows:
        if self.encoding is None:
            return extract(dataset, self.part, open_store(), engine_of=self._engine_of)
        return TableFeatures(self.part, self.encoding, [], np.zeros((0, 0), np.float32), 0.0).encode(dataset)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write model.keras, signature.json, golden.npz and preprocess.py, which ``export`` and ``load`` need.

        Boosted trees are written to model.npz. contents.csv holds the digests of the fitted samples, not the samples, so
        that a loaded model can recognise them in ``evaluate``.
        """
        self.write(Path(folder))
        write_csv(Path(folder) / "contents.csv", ["digest", "split"], self._fitted_contents())

    def write(self, out: Path) -> None:
        """Write what ``save`` writes, except contents.csv: a run writes its own, with the samples of all splits."""
        _, dataset = self._fitted()
        part_b = self.part_b
        if self._source is not None:
            copy_saved_model(self._source, part_b.file, out)
            return
        if part_b.is_baseline:
            part_b.save(out)
            output = part_b.output
        else:
            whole = self.keras()
            with replacing(out / "model.keras") as temporary:
                whole.save(temporary)
            output = partial(outputs_of, whole)
        made = {"network": self.recipe.network, "options": dict(self.recipe.options), "num_samples": part_b.num_samples}
        tuned = (self.thresholds, self.encoding, self.conformal, self.novelty)
        sign(out, Signed(dataset, self.part, made, output, *tuned))

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, weights: str | None = None) -> Model:
        """Rebuild a saved model from its signature and weights, without running code from its files.

        Args:
            folder: The folder that ``save`` or ``fit`` wrote.
            weights: The weights file of Part A, if the model was created with one.

        Raises:
            RunError: The saved model is missing or unreadable (H502), was changed after it was signed (H506), was fitted
                with other weights of Part A (H507), or is an ensemble (H514).
        """
        saved = read_saved_model(Path(folder), weights)
        model = cls.from_trial(saved.trial)
        model.dataset, model.encoding, model.thresholds = saved.dataset, saved.encoding, saved.thresholds
        model.conformal = saved.conformal
        model._part_b, model._source = saved.part_b, Path(folder)
        model.trained = Trained(model.recipe, saved.weights, float("nan"), float("nan"), 0, 0.0)
        return model

    def export(self, *formats: str, out: str | os.PathLike[str]) -> list[Exported]:
        """Write the model in ``formats`` (keys of ``FORMATS``, all by default), each verified in a fresh process."""
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
    """Whether it is a Keras optimizer object. Keras is imported only if it could be one."""
    if isinstance(optimizer, str | None):
        return False
    import keras

    return isinstance(optimizer, keras.optimizers.Optimizer)
