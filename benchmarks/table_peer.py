"""Fit one peer of ``table_peers.py`` to ``train.csv`` of a folder, and predict its ``test.csv``, as a whole process.

Usage: PYTHON benchmarks/table_peer.py PEER FOLDER FILE

It runs in the peer's own environment, so it imports nothing of Headstart. The last column of both tables, ``target``, is
what is predicted; ``task.json`` says whether it is a class. The predictions are written to FILE: probabilities
``(rows, classes)``, with classes in the order of ``task.json``, or values.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd


class Given(NamedTuple):
    """Two tables without their target, the training rows' targets (class numbers or values), and what they are."""

    train: pd.DataFrame
    test: pd.DataFrame
    target: Any
    classes: list[str]

    @property
    def texts(self) -> list[str]:
        """Names of the columns that hold text."""
        return [str(name) for name in self.train if not pd.api.types.is_numeric_dtype(self.train[name])]


def hist_gradient_boosting(given: Given) -> Any:
    """Boosted trees of scikit-learn with its defaults, and text columns as categories; it takes up to 255 levels of one."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    both = pd.concat([given.train, given.test], ignore_index=True)
    for name in given.texts:
        levels = both[name].astype("category")
        both[name] = levels if len(levels.cat.categories) <= 255 else levels.cat.codes
    kind = HistGradientBoostingClassifier if given.classes else HistGradientBoostingRegressor
    model = kind(categorical_features="from_dtype", random_state=0).fit(both.iloc[: len(given.train)], given.target)
    return _predicted(model, both.iloc[len(given.train) :], given)


def catboost(given: Given) -> Any:
    """CatBoost with its defaults, and text columns as categories."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if given.classes else CatBoostRegressor
    options = {"loss_function": "MultiClass"} if len(given.classes) > 2 else {}
    with tempfile.TemporaryDirectory() as folder:
        model = kind(random_seed=0, verbose=False, train_dir=folder, cat_features=given.texts, **options)
        model.fit(_filled(given.train, given.texts), given.target)
        return _predicted(model, _filled(given.test, given.texts), given)


def realmlp(given: Given) -> Any:
    """RealMLP by pytabkit with its tuned defaults; the metric it stops by is the one that is measured."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    return _by_pytabkit(RealMLP_TD_Classifier if given.classes else RealMLP_TD_Regressor, given)


def tabm(given: Given) -> Any:
    """TabM by pytabkit with its defaults; the metric it stops by is the one that is measured."""
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    return _by_pytabkit(TabM_D_Classifier if given.classes else TabM_D_Regressor, given)


def _by_pytabkit(kind: Callable[..., Any], given: Given) -> Any:
    """Fit a network of pytabkit. It takes no missing numbers, so they become the median of the training rows and a flag."""
    train, test = given.train.copy(), given.test.copy()
    for name in train.columns:
        if name in given.texts:
            train[name], test[name] = train[name].fillna(""), test[name].fillna("")
        elif train[name].isna().any() or test[name].isna().any():
            train[f"{name} missing"], test[f"{name} missing"] = train[name].isna() * 1.0, test[name].isna() * 1.0
            middle = train[name].median()
            train[name], test[name] = train[name].fillna(middle), test[name].fillna(middle)
    metric = "cross_entropy" if given.classes else "rmse"
    model = kind(device="cpu", random_state=0, val_metric_name=metric)
    model.fit(train, given.target, cat_col_names=given.texts)
    return _predicted(model, test, given)


def autogluon(given: Given) -> Any:
    """AutoGluon with the preset ``medium_quality`` and 60 seconds, judged by the measured metric."""
    from autogluon.tabular import TabularPredictor

    target = [given.classes[number] for number in given.target] if given.classes else given.target
    kind = "binary" if len(given.classes) == 2 else "multiclass" if given.classes else "regression"
    metric = "log_loss" if given.classes else "root_mean_squared_error"
    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor("target", problem_type=kind, eval_metric=metric, path=folder, verbosity=1)
        predictor.fit(given.train.assign(target=target), presets="medium_quality", time_limit=60)
        if not given.classes:
            return predictor.predict(given.test).to_numpy()
        return predictor.predict_proba(given.test)[given.classes].to_numpy()


def _predicted(model: Any, rows: pd.DataFrame, given: Given) -> Any:
    if not given.classes:
        return np.asarray(model.predict(rows)).ravel()
    probabilities = np.zeros((len(rows), len(given.classes)))
    probabilities[:, np.unique(given.target)] = model.predict_proba(rows)  # a class may have no training row
    return probabilities


def _filled(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return frame.assign(**{name: frame[name].fillna("").astype(str) for name in names})


PEERS: dict[str, Callable[[Given], Any]] = {
    "hist_gradient_boosting": hist_gradient_boosting,
    "catboost": catboost,
    "realmlp": realmlp,
    "tabm": tabm,
    "autogluon": autogluon,
}


def main() -> None:
    """Fit the named peer and write its predictions."""
    peer, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    classes = json.loads((folder / "task.json").read_text("utf-8"))["classes"]
    read = {"keep_default_na": False, "na_values": [""], "dtype": {"target": str if classes else float}}
    train, test = (pd.read_csv(folder / name, **read) for name in ("train.csv", "test.csv"))  # type: ignore[call-overload]
    target = train.pop("target").to_numpy()
    target = np.array([classes.index(label) for label in target]) if classes else target
    for frame in (train, test):
        for name in frame.select_dtypes(bool).columns:
            frame[name] = frame[name].astype(float)
    np.save(out, PEERS[peer](Given(train, test.drop(columns="target"), target, classes)))


if __name__ == "__main__":
    main()
