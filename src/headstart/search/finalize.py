"""The whole: the end of a run. The best model joined, signed and converted; the honest evaluation; the report; the seal."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.data.dataset import SPLITS, Dataset
from headstart.data.groups import group_duplicates
from headstart.data.tasks import TASKS
from headstart.doctor.column_checks import check_columns
from headstart.doctor.data_checks import check_data
from headstart.doctor.image_checks import check_pictures
from headstart.doctor.result_checks import check_results
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.evaluation import Evaluation
from headstart.export.converter import Child
from headstart.features.extraction import extract
from headstart.features.features import FeatureRows
from headstart.features.tables.table_features import TableFeatures, row_contents
from headstart.foundation.arrays import Array
from headstart.foundation.errors import ExportError, TrainingError
from headstart.foundation.progress import Progress
from headstart.foundation.runs.files import read_json, write_csv, write_json
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.stopwatch import Stopwatch
from headstart.foundation.text import natural_key
from headstart.models.ensemble import Ensemble
from headstart.models.fitting import open_store
from headstart.models.model import Model
from headstart.models.predictions import beside_truth
from headstart.models.signature import add_graph
from headstart.report.document import write_report
from headstart.search.model_choice import Choice

__all__ = ["Outcome", "ship"]

# Between golden predictions and those from stored rows: of a probability, or of a target as networks learn it. Rows of an
# inner cut are stored in half precision.
_MAX_DIFFERENCE, _MAX_DIFFERENCE_IN_HALF = 1e-3, 2e-2
_MAX_SECONDS = 1800.0  # for a conversion, where there is no budget


@dataclass
class Outcome:
    """What a run has when its trials are over.

    Attributes:
        folder: The run folder.
        model: The model that was chosen.
        choice: Why, and how the other trials compare with it.
        validation: Its answers to the validation split, in the scale of ``Dataset.targets``, by models that were not
            calibrated on the sample and, where they are of folds, not trained on it.
        learning: The samples that training and choosing saw, and the test split if Headstart made it.
        held_out: The user's own test split, not looked at yet.
        features: Rows of ``learning``, for each Part A of the model.
        converter: A converter that was started before.
        seconds_left: What the budget leaves for the end of the run; infinite without one.
    """

    folder: RunFolder
    model: Model | Ensemble
    choice: Choice
    validation: Array
    learning: Dataset
    held_out: Dataset
    features: list[FeatureRows]
    converter: Child
    seconds_left: float


def ship(cargo: Outcome, progress: Progress, watch: Stopwatch, save: Callable[..., None]) -> None:
    """Write all that a finished run holds.

    Args:
        cargo: What there is.
        progress: Told of each step.
        watch: Takes the seconds of each step.
        save: Writes run.json with the facts it is given.
    """
    progress.begin("model, evaluation and report", 0)
    cargo.model.tune(cargo.features)
    _tell_means(cargo, progress)
    with watch.stage("join and save"):
        cargo.model.write(cargo.folder.path)
    with ThreadPoolExecutor(max_workers=1) as pool:
        graph = pool.submit(
            add_graph, cargo.folder.path, cargo.converter, min(cargo.seconds_left, _MAX_SECONDS)
        )  # a child process does the work, beside what follows
        try:
            with watch.stage("evaluate"):
                _unseal(cargo)
                _check_golden(cargo)
                facts = _write_tables(cargo, _evaluate(cargo))
            with watch.stage("convert for predict"):
                graph.result()
        except ExportError as error:
            progress.say(f"no graph for quick predictions: {error.title} ({error.received}); predict will use Keras")
        except KeyboardInterrupt:
            cargo.converter.close()  # the pool waits for it before it lets us go
            raise
    with watch.stage("report"):
        save(**facts)
        write_report(cargo.folder)
    save()
    cargo.folder.seal()


def _tell_means(cargo: Outcome, progress: Progress) -> None:
    """Say of each target whose logarithm was learned whether its mean or its median is predicted."""
    scaling = None if cargo.model.dataset is None else cargo.model.dataset.scaling
    if scaling is None:
        return
    told = {"mean": "the mean, {:.3f} times the median", "median": "the median, which has the lower squared error here"}
    for name, predicts, factor in zip(cargo.learning.classes, scaling.predicts, scaling.factors, strict=True):
        if predicts:
            progress.say(f"{name}: learned as logarithms; predictions are {told[predicts].format(factor)}")


def _unseal(cargo: Outcome) -> None:
    """Look at the held-out test split, now that nothing is decided any more."""
    if not len(cargo.held_out):
        return
    found = [_features_of(cargo.held_out, features) for features in cargo.features]
    left_out = {i: file for features in found for file, i in zip(*features.skipped(cargo.held_out), strict=True)}
    kept = [i for i in range(len(cargo.held_out)) if i not in left_out]
    test = cargo.held_out.without(list(left_out.values()), list(left_out))
    cargo.learning = cargo.learning.plus(test)
    pairs: Any = zip(cargo.features, found, strict=True)  # each of one kind
    cargo.features = [ours.plus(theirs.take(kept)) for ours, theirs in pairs]
    cargo.learning = group_duplicates(cargo.learning, cargo.features[0].thumbnails)


def _features_of(dataset: Dataset, like: FeatureRows) -> FeatureRows:
    """The features of other samples, made as those of the training samples were."""
    if isinstance(like, TableFeatures):
        return like.encode(dataset)
    return extract(dataset, like.part, open_store())


def _check_golden(cargo: Outcome) -> None:
    """Compare the golden predictions of the shipped model with those that Part B makes of the stored rows of these samples.

    What a run says of its model was measured on stored rows; where they differ, it was measured on another model.

    Raises:
        TrainingError: They differ (H310).
    """
    dataset, signature = cargo.learning, read_json(cargo.folder.path / "signature.json")
    key, names = ("digest", dataset.digests) if dataset.table is None else ("row", dataset.paths)
    places = {name: place for place, name in reversed([*enumerate(names)])}
    indices = np.array([places[row[key]] for row in signature["golden"]], np.int64)
    shipped = TASKS[dataset.task].to_answers(np.array([row["answers"] for row in signature["golden"]], np.float32))
    answers = cargo.model.answers(cargo.features, indices)
    if dataset.scaling is not None:
        shipped, answers = dataset.scaling.apply(shipped), dataset.scaling.apply(answers)
    difference = float((np.abs(answers - shipped) / np.maximum(1.0, np.abs(shipped))).max())
    is_half = any(part.stage and not part.is_pixels for part in cargo.model.parts)
    limit = _MAX_DIFFERENCE_IN_HALF if is_half else _MAX_DIFFERENCE
    if not difference <= limit:  # so that NaN exceeds it too
        raise TrainingError(
            "H310",
            "the model does not predict what was measured",
            received=f"predictions of {len(indices)} samples and of their stored rows that differ by {difference:.3g}",
            expected=f"at most {limit:g}",
            advice="clear what was stored and fit again: headstart cache --clear rows graphs; if it recurs, report it",
            exit_code=1,
        )


def _evaluate(cargo: Outcome) -> Evaluation:
    dataset = cargo.learning
    split = "test" if "test" in dataset.split else "validation"
    indices, model = dataset.indices(split), cargo.model
    answers = model.answers(cargo.features, indices) if split == "test" else model.in_units(cargo.validation)
    return evaluate_predictions(
        dataset.task,
        dataset.classes,
        dataset.labels[indices],
        answers,
        split=split,
        thresholds=model.thresholds,
        groups=dataset.group_numbers(indices),
    )


def _write_tables(cargo: Outcome, evaluation: Evaluation) -> dict[str, object]:
    """Write evaluation, predictions, splits, skipped files and findings; give what run.json says of them."""
    dataset, path = cargo.learning, cargo.folder.path
    texts = dataset.label_texts()
    write_json(path / "evaluation.json", evaluation.to_json())
    indices = dataset.indices(evaluation.split)
    answers = beside_truth(dataset, indices, evaluation.answers, cargo.model.thresholds)
    write_csv(path / "predictions.csv", *answers)
    write_csv(path / "splits.csv", [dataset.key, "label", "split"], zip(dataset.paths, texts, dataset.split, strict=True))
    encoding = features.encoding if isinstance(features := cargo.features[0], TableFeatures) else None
    contents = dataset.digests if dataset.table is None or not encoding else row_contents(dataset.table, encoding)
    write_csv(path / "contents.csv", ["digest", "split"], zip(contents, dataset.split, strict=True))
    write_csv(path / "skipped.csv", ["path", "reason"], sorted(dataset.skipped, key=lambda row: natural_key(str(row[0]))))
    findings = check_data(dataset, features.facts)
    if isinstance(features, TableFeatures):
        findings += check_columns(features.notes)
    else:
        findings += check_pictures(dataset, features.facts, features.part.rendering)
    findings += check_results(dataset, evaluation, cargo.choice.best.trial, cargo.choice.differences)
    write_json(path / "findings.json", [finding.to_json() for finding in findings])
    return {
        "num_samples": {split: int(np.sum(np.array(dataset.split) == split)) for split in SPLITS},
        "num_skipped": len(dataset.skipped),
        "made_splits": list(dataset.made_splits),
        "test_looks": int(evaluation.split == "test"),
        "findings": [{"code": finding.code, "title": finding.title} for finding in findings],
    }
