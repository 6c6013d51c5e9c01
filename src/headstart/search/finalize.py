"""Finish a run: save and convert the selected model, evaluate it, run the doctor's checks, and write the report."""

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
from headstart.training.examples import HeldOut

__all__ = ["Outcome", "ship"]

# Largest allowed difference between golden predictions and predictions from stored rows: of a probability, or of a target
# as networks learn it. Rows of an inner cut are stored in half precision.
_MAX_DIFFERENCE, _MAX_DIFFERENCE_IN_HALF = 1e-3, 2e-2
_MAX_SECONDS = 1800.0  # time limit of the conversion without a budget
_FEW_TO_LIMIT = 100  # held-out images, of which 1% is at least one
_MODEL_FILES = ("model.keras", "model.npz", "model.xml", "model.bin", "model.onnx")


@dataclass
class Outcome:
    """State of a run after its last trial.

    Attributes:
        folder: The run folder.
        model: The selected model.
        choice: Why the model was selected, and how the other trials compare with it.
        held_out: Predictions of the validation split, or of all folds, by models that were neither fitted nor calibrated to
            the sample.
        learning: The samples used for training and selection, and the test split if Headstart made it.
        unseen: The user's own test split, which nothing has used so far.
        features: Features of ``learning``, for each Part A of the model.
        converter: A converter process that is already running.
        seconds_left: Seconds that the budget leaves for the conversion; infinite without a budget.
        unknown: Whether the model is to tell unknown images.
    """

    folder: RunFolder
    model: Model | Ensemble
    choice: Choice
    held_out: HeldOut
    learning: Dataset
    unseen: Dataset
    features: list[FeatureRows]
    converter: Child
    seconds_left: float
    unknown: bool


def ship(outcome: Outcome, progress: Progress, watch: Stopwatch, save: Callable[..., None]) -> None:
    """Write the model, the evaluation and the report of a finished run, and seal the run folder.

    Args:
        outcome: State of the run after its last trial.
        progress: Receives the progress.
        watch: Records the seconds of each step.
        save: Writes run.json with the facts it receives.
    """
    progress.begin("saving the model", 0)
    outcome.model.tune(outcome.held_out)
    _report_means(outcome, progress)
    if outcome.unknown:
        _learn_unknown(outcome, progress)
    for name in _MODEL_FILES:  # of another trial, if the run was finished before and then continued
        (outcome.folder.path / name).unlink(missing_ok=True)
    with watch.stage("join and save"):
        outcome.model.write(outcome.folder.path)
    with ThreadPoolExecutor(max_workers=1) as pool:
        graph = pool.submit(
            add_graph, outcome.folder.path, outcome.converter, min(max(1.0, outcome.seconds_left), _MAX_SECONDS)
        )  # a child process does the work while this process evaluates the model
        try:
            progress.begin("evaluating the model", 0)
            with watch.stage("test split"):
                _unseal(outcome)
            with watch.stage("evaluate"):
                _check_golden(outcome)
                facts = _write_tables(outcome, _evaluate(outcome))
            progress.begin("converting the model, for fast predictions", 0)
            with watch.stage("convert for predict"):
                graph.result()
        except ExportError as error:
            progress.say(f"predict will use Keras, because no faster graph could be made: {error.title} ({error.received})")
        except KeyboardInterrupt:
            outcome.converter.close()  # otherwise the pool would wait for it to end
            raise
    progress.begin("writing the report", 0)
    with watch.stage("report"):
        save(**facts)
        write_report(outcome.folder)
    save()
    outcome.folder.seal()


def _report_means(outcome: Outcome, progress: Progress) -> None:
    """Report for each target that was learned as a logarithm whether its mean or its median is predicted."""
    scaling = None if outcome.model.dataset is None else outcome.model.dataset.scaling
    if scaling is None:
        return
    texts = {"mean": "the mean, {:.3f} times the median", "median": "the median, which has the lower squared error here"}
    for name, predicts, factor in zip(outcome.learning.classes, scaling.predicts, scaling.factors, strict=True):
        if predicts:
            progress.say(f"{name}: learned as a logarithm; predictions are {texts[predicts].format(factor)}")


def _learn_unknown(outcome: Outcome, progress: Progress) -> None:
    if not any(part.cards for part in outcome.model.parts):
        progress.say(f"--unknown has no effect: {outcome.choice.best.trial}, which was chosen, has no backbone")
        return
    num_held_out = len(outcome.learning.indices("validation"))
    if num_held_out < _FEW_TO_LIMIT:
        progress.say(f"the limit of unknown images comes from {num_held_out} images only: more known ones may be above it")
    outcome.model.learn_unknown(outcome.features)


def _unseal(outcome: Outcome) -> None:
    """Compute the features of the user's test split, now that all decisions have been made."""
    if not len(outcome.unseen):
        return
    unseen = [_features_of(outcome.unseen, features) for features in outcome.features]
    left_out = {i: file for features in unseen for file, i in zip(*features.skipped(outcome.unseen), strict=True)}
    kept = [i for i in range(len(outcome.unseen)) if i not in left_out]
    test = outcome.unseen.without(list(left_out.values()), list(left_out))
    outcome.learning = outcome.learning.plus(test)
    pairs: Any = zip(outcome.features, unseen, strict=True)  # both of a pair have the same type
    outcome.features = [ours.plus(theirs.take(kept)) for ours, theirs in pairs]
    outcome.learning = group_duplicates(outcome.learning, outcome.features[0].thumbnails)


def _features_of(dataset: Dataset, like: FeatureRows) -> FeatureRows:
    """Compute the features of other samples in the same way as ``like``, those of the training samples."""
    if isinstance(like, TableFeatures):
        return like.encode(dataset)
    return extract(dataset, like.part, open_store())


def _check_golden(outcome: Outcome) -> None:
    """Compare the golden predictions of the saved model with predictions of Part B from the stored rows of these samples.

    All scores of a run are measured on stored rows, so a difference means that they do not hold for the saved model.

    Raises:
        TrainingError: The predictions differ (H310).
    """
    dataset, signature = outcome.learning, read_json(outcome.folder.path / "signature.json")
    key, names = ("digest", dataset.digests) if dataset.table is None else ("row", dataset.paths)
    places = {name: place for place, name in reversed([*enumerate(names)])}
    indices = np.array([places[row[key]] for row in signature["golden"]], np.int64)
    shipped = TASKS[dataset.task].to_answers(np.array([row["answers"] for row in signature["golden"]], np.float32))
    answers = outcome.model.answers(outcome.features, indices)
    if dataset.scaling is not None:
        shipped, answers = dataset.scaling.apply(shipped), dataset.scaling.apply(answers)
    difference = float((np.abs(answers - shipped) / np.maximum(1.0, np.abs(shipped))).max())
    is_half = any(part.stage and not part.is_pixels for part in outcome.model.parts)
    limit = _MAX_DIFFERENCE_IN_HALF if is_half else _MAX_DIFFERENCE
    if not difference <= limit:  # written this way so that NaN raises, too
        raise TrainingError(
            "H310",
            "the saved model does not reproduce the measured predictions",
            received=f"predictions of {len(indices)} samples and of their stored rows, which differ by {difference:.3g}",
            expected=f"a difference of at most {limit:g}",
            advice="clear the stored features (headstart cache --clear rows graphs) and fit again; if it recurs, report it",
            exit_code=1,
        )


def _evaluate(outcome: Outcome) -> Evaluation:
    dataset = outcome.learning
    split = "test" if "test" in dataset.split else "validation"
    indices, model = dataset.indices(split), outcome.model
    answers = model.answers(outcome.features, indices) if split == "test" else model.in_units(outcome.held_out.at(indices))
    return evaluate_predictions(
        dataset.task,
        dataset.classes,
        dataset.labels[indices],
        answers,
        split=split,
        thresholds=model.thresholds,
        groups=dataset.group_numbers(indices),
    )


def _write_tables(outcome: Outcome, evaluation: Evaluation) -> dict[str, object]:
    """Write evaluation, predictions, splits, skipped files and findings, and return their entries in run.json."""
    dataset, path = outcome.learning, outcome.folder.path
    texts = dataset.label_texts()
    write_json(path / "evaluation.json", evaluation.to_json())
    indices = dataset.indices(evaluation.split)
    unknown = outcome.model.unknown_scores(outcome.features, indices).tolist()
    answers = beside_truth(dataset, indices, evaluation.answers, outcome.model.thresholds, unknown)
    write_csv(path / "predictions.csv", *answers)
    write_csv(path / "splits.csv", [dataset.key, "label", "split"], zip(dataset.paths, texts, dataset.split, strict=True))
    encoding = features.encoding if isinstance(features := outcome.features[0], TableFeatures) else None
    contents = dataset.digests if dataset.table is None or not encoding else row_contents(dataset.table, encoding)
    write_csv(path / "contents.csv", ["digest", "split"], zip(contents, dataset.split, strict=True))
    write_csv(path / "skipped.csv", ["path", "reason"], sorted(dataset.skipped, key=lambda row: natural_key(str(row[0]))))
    findings = check_data(dataset, features.facts)
    if isinstance(features, TableFeatures):
        findings += check_columns(features.notes)
    else:
        findings += check_pictures(dataset, features.facts, features.part.rendering)
    findings += check_results(dataset, evaluation, outcome.choice.best.trial, outcome.choice.differences)
    write_json(path / "findings.json", [finding.to_json() for finding in findings])
    return {
        "num_samples": {split: int(np.sum(np.array(dataset.split) == split)) for split in SPLITS},
        "num_skipped": len(dataset.skipped),
        "made_splits": list(dataset.made_splits),
        "test_looks": int(evaluation.split == "test"),
        "findings": [{"code": finding.code, "title": finding.title} for finding in findings],
    }
