"""The whole: the end of a run. The best model joined, signed and converted; the honest evaluation; the report; the seal."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.conversion import Child
from headstart.dataset import SPLITS, Dataset, natural_key
from headstart.doctor import check_columns, check_data
from headstart.ensemble import Ensemble
from headstart.errors import ExportError
from headstart.metrics import Evaluation, evaluate_predictions
from headstart.model import Model
from headstart.predictor import beside_truth
from headstart.progress import Progress
from headstart.report import write_report
from headstart.runfolder import RunFolder, write_csv, write_json
from headstart.signature import add_graph
from headstart.splits import group_duplicates
from headstart.stopwatch import Stopwatch
from headstart.table_features import AnyFeatures, TableFeatures, row_contents

__all__ = ["Cargo", "ship"]

_MOST_SECONDS = 1800.0  # for a conversion, where there is no budget


@dataclass
class Cargo:
    """What a run has when its trials are over.

    Attributes:
        folder: The run folder.
        model: The best model.
        learning: The samples that training and choosing saw, and the test split if Headstart made it.
        held_out: The user's own test split, not looked at yet.
        features: Rows of ``learning``, for each Part A of the model.
        converter: A converter that was started before.
        seconds_left: What the budget leaves for the end of the run; infinite without one.
    """

    folder: RunFolder
    model: Model | Ensemble
    learning: Dataset
    held_out: Dataset
    features: list[AnyFeatures]
    converter: Child
    seconds_left: float


def ship(cargo: Cargo, progress: Progress, watch: Stopwatch, save: Callable[..., None]) -> None:
    """Write all that a finished run holds.

    Args:
        cargo: What there is.
        progress: Told of each step.
        watch: Takes the seconds of each step.
        save: Writes run.json with the facts it is given.
    """
    progress.begin("model, evaluation and report", 0)
    cargo.model.tune(cargo.features)
    with watch.stage("join and save"):
        cargo.model.write(cargo.folder.path)
    with ThreadPoolExecutor(max_workers=1) as pool:
        graph = pool.submit(
            add_graph, cargo.folder.path, cargo.converter, min(cargo.seconds_left, _MOST_SECONDS)
        )  # a child process does the work, beside what follows
        try:
            with watch.stage("evaluate"):
                _unseal(cargo)
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


def _unseal(cargo: Cargo) -> None:
    """Look at the held-out test split, now that nothing is decided any more."""
    if not len(cargo.held_out):
        return
    found = [features.of(cargo.held_out) for features in cargo.features]
    left_out = {i: file for features in found for file, i in zip(*features.skipped(cargo.held_out), strict=True)}
    kept = [i for i in range(len(cargo.held_out)) if i not in left_out]
    test = cargo.held_out.without(list(left_out.values()), list(left_out))
    cargo.learning = cargo.learning.plus(test)
    pairs: Any = zip(cargo.features, found, strict=True)  # each of one kind
    cargo.features = [ours.plus(theirs.take(kept)) for ours, theirs in pairs]
    cargo.learning = group_duplicates(cargo.learning, cargo.features[0].thumbnails)


def _evaluate(cargo: Cargo) -> Evaluation:
    dataset = cargo.learning
    split = "test" if "test" in dataset.split else "validation"
    indices = dataset.indices(split)
    held_out = cargo.model.held_out if isinstance(cargo.model, Ensemble) and split == "validation" else None
    return evaluate_predictions(
        dataset.task,
        dataset.classes,
        dataset.labels[indices],
        cargo.model.answers(cargo.features, indices) if held_out is None else held_out,
        split=split,
        thresholds=cargo.model.thresholds,
    )


def _write_tables(cargo: Cargo, evaluation: Evaluation) -> dict[str, object]:
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
    write_json(path / "findings.json", [finding.to_json() for finding in findings])
    return {
        "num_samples": {split: int(np.sum(np.array(dataset.split) == split)) for split in SPLITS},
        "num_skipped": len(dataset.skipped),
        "made_splits": list(dataset.made_splits),
        "test_looks": int(evaluation.split == "test"),
        "findings": [{"code": finding.code, "title": finding.title} for finding in findings],
    }
