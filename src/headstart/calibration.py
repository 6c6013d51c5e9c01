"""Part B: models of one class each, calibrated together, so that their shares of one answer are probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["calibrate"]

Array = np.ndarray[Any, Any]

_LEAST = 1e-7  # of a probability whose logit is taken
_PENALTY = 1e-2  # on what departs from leaving the models as they are


def calibrate(labels: Array, probabilities: Array) -> tuple[float, Array]:
    """The slope of all logits and the offset of each, under which the shares have the least cross-entropy.

    It is Platt's scaling (1999) of each class's model, with one slope, fitted to the answer that they give together.

    Args:
        labels: Label numbers, ``(n,)``.
        probabilities: Independent ones, ``(n, classes)``.

    Returns:
        The slope, above 0, and the offsets ``(classes,)``.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, log_expit, logsumexp

    clipped = np.clip(np.asarray(probabilities, np.float64), _LEAST, 1 - _LEAST)
    logits = np.log(clipped) - np.log1p(-clipped)
    truth = np.eye(logits.shape[1])[labels]

    def objective(parameters: Array) -> tuple[float, Array]:
        slope, offsets = np.exp(parameters[0]), parameters[1:]
        scaled = slope * logits + offsets
        logs = log_expit(scaled)
        shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        loss = float((logsumexp(logs, axis=1) - (truth * logs).sum(axis=1)).mean())
        error = (shares - truth) * expit(-scaled) / len(labels)  # the slope of log_expit is expit of the opposite
        gradient = np.concatenate([[(error * logits).sum() * slope], error.sum(axis=0)])
        return loss + _PENALTY / 2 * float(np.square(parameters).sum()), gradient + _PENALTY * parameters

    found = minimize(objective, np.zeros(1 + logits.shape[1]), jac=True, method="L-BFGS-B").x
    return float(np.exp(found[0])), found[1:]
