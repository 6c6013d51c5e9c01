"""The solver of the linear head: what scikit-learn finds, whatever the task and the shape, with the best penalty."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge

from headstart.data.tasks import ONE_VS_REST, TASKS
from headstart.training.classical.linear_families import FAMILIES
from headstart.training.classical.linear_solver import PENALTIES, Solution, Step, solve
from headstart.training.examples import Examples

Array = np.ndarray[Any, Any]


def make(
    num_rows: int, num_features: int, num_classes: int, *, noise: float = 1.5, seed: int = 0, offset: float = 3.0
) -> Examples:
    """Clouds around one centre a class, far from the origin, as pooled features are; half of them for validation."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(num_classes, num_features)) + offset
    labels = np.arange(2 * num_rows) % num_classes
    rows = (centres[labels] + noise * random.normal(size=(2 * num_rows, num_features))).astype(np.float32)
    return Examples(rows[:num_rows], labels[:num_rows], rows[num_rows:], labels[num_rows:], TASKS["multiclass"], num_classes)


def probabilities(solution: Solution, rows: Array) -> Array:
    """What the weights answer."""
    logits = rows @ solution.kernel + solution.bias
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Array = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def reference(problem: Examples, penalty: float) -> Array:
    """Validation probabilities of scikit-learn on the centred rows of mean length one, with the same penalty.

    Its two classes are one column of weights, whose square counts twice what two opposite columns of half of it do.
    """
    mean = problem.rows.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(np.square(problem.rows - mean).sum(axis=1).mean())
    strength = (2 if problem.num_classes == 2 else 1) / (penalty * len(problem.rows))
    model = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000)
    model.fit((problem.rows - mean) / scale, problem.labels)
    answered: Array = model.predict_proba((problem.val_rows - mean) / scale)
    return answered


@pytest.mark.parametrize("num_classes", [2, 3, 7], ids=lambda n: f"{n}-classes")
@pytest.mark.parametrize(
    ("num_rows", "num_features", "noise"),
    [(40, 300, 8.0), (400, 30, 3.0), (60, 60, 3.0)],
    ids=["wide", "long", "square"],
)
def test_solve_matches_scikit_learn(num_rows: int, num_features: int, noise: float, num_classes: int) -> None:
    """Fewer rows than features, more, and as many: probabilities of the best penalty agree to 1e-3."""
    problem = make(num_rows, num_features, num_classes, noise=noise)
    solution = solve(problem)
    assert solution.best < len(PENALTIES) - 1  # classes overlap, so that the best penalty is not the weakest
    expected = reference(problem, solution.steps[solution.best].penalty)
    np.testing.assert_allclose(probabilities(solution, problem.val_rows), expected, atol=5e-3)
    assert expected.std() > 0.01


@pytest.mark.parametrize(("num_rows", "num_features"), [(50, 200), (400, 30)], ids=["wide", "long"])
@pytest.mark.parametrize("penalty", PENALTIES[:6], ids="{:.0e}".format)
def test_every_penalty_is_solved(penalty: float, num_rows: int, num_features: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, without a warm start, each penalty down to 1e-4 gives scikit-learn's answer too.

    Weaker ones answer as the small number on the diagonal of K lets them.
    """
    monkeypatch.setattr("headstart.training.classical.linear_solver.PENALTIES", (penalty,))
    problem = make(num_rows, num_features, 4, noise=8.0)
    np.testing.assert_allclose(probabilities(solve(problem), problem.val_rows), reference(problem, penalty), atol=5e-3)


def test_solve_reports_the_loss_of_the_returned_weights() -> None:
    """Loss and accuracy of the best step are those of the returned weights on the original rows."""
    problem = make(60, 100, 3, noise=3.0)
    solution = solve(problem)
    answered = probabilities(solution, problem.val_rows)
    step = solution.steps[solution.best]
    true = answered[np.arange(len(answered)), problem.val_labels]
    assert step.val_loss == pytest.approx(-np.log(true).mean(), rel=1e-3)
    assert step.val_metric == (answered.argmax(axis=1) == problem.val_labels).mean()
    fitted = probabilities(solution, problem.rows)[np.arange(len(problem.rows)), problem.labels]
    assert step.loss == pytest.approx(-np.log(fitted).mean(), rel=1e-2, abs=1e-4)
    assert solution.kernel.shape == (100, 3)
    assert solution.kernel.dtype == solution.bias.dtype == np.float32


def scaled(problem: Examples) -> tuple[Array, Array]:
    """Rows as the solver sees them: centred, of mean squared length one."""
    mean = problem.rows.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(np.square(problem.rows - mean).sum(axis=1).mean())
    return (problem.rows - mean) / scale, (problem.val_rows - mean) / scale


shapes = pytest.mark.parametrize(("num_rows", "num_features"), [(50, 200), (400, 30)], ids=["wide", "long"])


@shapes
def test_solve_of_labels_is_one_logistic_regression_per_label(num_rows: int, num_features: int) -> None:
    """Labels share rows and penalty only: scikit-learn finds the same for each label alone."""
    problem = make_labels(num_rows, num_features)
    solution = solve(problem)
    rows, val_rows = scaled(problem)
    answered = expit(problem.val_rows @ solution.kernel + solution.bias)
    strength = 1 / (solution.steps[solution.best].penalty * num_rows)
    assert solution.best < len(PENALTIES) - 1
    for label in range(problem.num_classes):
        model = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000).fit(rows, problem.labels[:, label])
        np.testing.assert_allclose(answered[:, label], model.predict_proba(val_rows)[:, 1], atol=5e-3)
    assert answered.std() > 0.05


def make_labels(num_rows: int, num_features: int) -> Examples:
    """Three labels that follow three directions of the rows, one of them rare, each with noise."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(2 * num_rows, num_features)).astype(np.float32) + 2
    logits = (rows - 2) @ random.normal(size=(num_features, 3)) * 3 / np.sqrt(num_features)
    labels = (logits + random.logistic(size=logits.shape) > [0, 0, 3]).astype(np.int64)
    return Examples(rows[:num_rows], labels[:num_rows], rows[num_rows:], labels[num_rows:], TASKS["multilabel"], 3)


@shapes
@pytest.mark.parametrize("num_targets", [1, 3])
def test_solve_of_values_is_a_ridge_regression(num_rows: int, num_features: int, num_targets: int) -> None:
    """Least squares with the best penalty, several targets at once; reported numbers are those of the weights."""
    random = np.random.default_rng(0)
    sizes = 1 / (1 + np.arange(num_features))  # as of principal components: a few say most
    rows = (random.normal(size=(2 * num_rows, num_features)) * sizes).astype(np.float32) + 2
    values = rows @ random.normal(size=(num_features, num_targets)) + 0.5 * random.normal(size=(2 * num_rows, num_targets))
    problem = Examples(
        rows[:num_rows], values[:num_rows], rows[num_rows:], values[num_rows:], TASKS["regression"], num_targets
    )
    solution = solve(problem)
    best = solution.steps[solution.best]
    given_rows, val_rows = scaled(problem)
    model = Ridge(alpha=best.penalty * num_rows).fit(given_rows, problem.labels)
    answered = problem.val_rows @ solution.kernel + solution.bias
    np.testing.assert_allclose(answered, model.predict(val_rows).reshape(answered.shape), atol=5e-3)
    assert best.val_loss == pytest.approx(np.square(answered - problem.val_labels).mean(), rel=1e-4)
    assert best.val_metric == pytest.approx(problem.task.measure(problem.val_labels, answered), rel=1e-4)
    assert 0.1 < best.val_metric < 1


def test_solve_of_one_vs_rest_has_one_sigmoid_per_class() -> None:
    """The kernel is that of one-hot labels; ``val_loss`` is the cross-entropy of normalised probabilities."""
    problem = make(60, 30, 3, noise=4.0)._replace(task=ONE_VS_REST)
    solution = solve(problem)
    one_hot = np.eye(3, dtype=np.int64)
    as_labels = problem._replace(
        labels=one_hot[problem.labels], val_labels=one_hot[problem.val_labels], task=TASKS["multilabel"]
    )
    others = solve(as_labels)
    num_both = min(len(solution.steps), len(others.steps))  # the penalties that both tried
    for ours, theirs in zip(solution.steps[:num_both], others.steps[:num_both], strict=True):
        assert ours.loss == theirs.loss
    shares = ONE_VS_REST.to_answers(expit(problem.val_rows @ solution.kernel + solution.bias))
    assert solution.steps[solution.best].val_loss == pytest.approx(ONE_VS_REST.score(problem.val_labels, shares), rel=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_gradient_of_every_family_is_predictions_minus_truth(name: str) -> None:
    """By finite differences of the loss with respect to the logits, all outputs of a softmax at once."""
    family, random = FAMILIES[name], np.random.default_rng(0)
    logits = random.normal(size=(4, 3))
    truth = np.eye(3)[[0, 2, 1, 1]]
    error = family.link(logits) - truth
    step = 1e-6
    for place in np.ndindex(4, 3):
        nudge = np.zeros((4, 3))
        nudge[place] = step
        up, down = (family.loss(truth, family.link(logits + sign * nudge)).sum() for sign in (1, -1))
        assert (up - down) / (2 * step) == pytest.approx(error[place], abs=1e-6)


def test_every_task_has_a_family() -> None:
    """Each task, and one-vs-rest, can be solved."""
    assert set(FAMILIES) == {*TASKS, ONE_VS_REST.name}


@pytest.mark.parametrize("is_on", [0, 1])
def test_solve_of_a_constant_label_is_finite(is_on: int) -> None:
    """If all training rows have the label, or none, it is predicted confidently, and other labels are not affected."""
    problem = make_labels(100, 20)
    problem.labels[:, 1] = is_on
    solution = solve(problem)
    answered = expit(problem.val_rows @ solution.kernel + solution.bias)
    assert np.isfinite(answered).all()
    assert np.abs(answered[:, 1] - is_on).max() < 0.05
    assert problem.task.measure(problem.val_labels[:, [0]], answered[:, [0]]) > 0.7


@given(
    num_rows=st.integers(4, 40),
    num_features=st.integers(1, 60),
    num_classes=st.integers(2, 4),
    copies=st.integers(0, 3),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_solve_handles_any_shape(
    num_rows: int, num_features: int, num_classes: int, copies: int, scale: float, seed: int
) -> None:
    """For any shape and scale, with duplicates among the rows, the best penalty is selected and finite."""
    problem = make(num_rows, num_features, num_classes, seed=seed)
    rows = np.concatenate([problem.rows, *[problem.rows[:2]] * copies]) * np.float32(scale)
    labels = np.concatenate([problem.labels, *[problem.labels[:2]] * copies])
    val_rows = problem.val_rows * np.float32(scale)
    solution = solve(Examples(rows, labels, val_rows, problem.val_labels, problem.task, num_classes))
    assert np.isfinite(solution.kernel).all()
    assert np.isfinite(solution.bias).all()
    assert solution.steps[solution.best].val_loss == min(step.val_loss for step in solution.steps)
    assert [step.penalty for step in solution.steps] == list(PENALTIES[: len(solution.steps)])
    losses = [step.loss for step in solution.steps]
    assert all(weaker <= stronger + 1e-4 for stronger, weaker in pairwise(losses))


@given(
    kind=st.sampled_from(["equal", "equal but for rounding", "zero", "copies", "far from the origin", "two very long"]),
    num_rows=st.integers(4, 60),
    num_features=st.sampled_from([1, 3, 40, 1300]),
    exponent=st.integers(-18, 18),
    seed=st.integers(0, 100),
)
@settings(max_examples=80, deadline=None)
def test_solve_handles_nearly_equal_rows(kind: str, num_rows: int, num_features: int, exponent: int, seed: int) -> None:
    """Whatever rows have in common, however large they are, the result is finite."""
    random = np.random.default_rng(seed)
    base, noise = random.normal(size=num_features), random.normal(size=(num_rows, num_features))
    rows = {
        "equal": np.tile(base, (num_rows, 1)),
        "equal but for rounding": base * (1 + 1e-7 * noise),
        "zero": np.zeros((num_rows, num_features)),
        "copies": np.repeat(noise, 4, axis=0)[:num_rows],
        "far from the origin": base + 1e-3 * noise,
        "two very long": np.where(np.arange(num_rows)[:, None] < 2, 1e3 * base, 1e-3 * noise),
    }[kind]
    rows = (rows * 10.0**exponent).astype(np.float32)
    labels = np.arange(num_rows) % 3
    with np.errstate(all="raise", under="ignore"):
        solution = solve(Examples(rows, labels, rows, labels, TASKS["multiclass"], 3))
    assert np.isfinite(probabilities(solution, rows)).all()
    assert np.isfinite([step.val_loss for step in solution.steps]).all()


def test_solve_counts_duplicate_rows() -> None:
    """Doubling every row is the same problem, and the predictions do not change."""
    problem = make(30, 200, 3, noise=3.0)
    doubled = problem._replace(rows=np.repeat(problem.rows, 2, axis=0), labels=np.repeat(problem.labels, 2))
    once, twice = solve(problem), solve(doubled)
    assert once.best == twice.best
    np.testing.assert_allclose(probabilities(twice, problem.val_rows), probabilities(once, problem.val_rows), atol=5e-3)


@pytest.mark.parametrize("shape", [(6, 40), (40, 6)], ids=["wide", "long"])
def test_solve_of_equal_rows_predicts_class_frequencies(shape: tuple[int, int]) -> None:
    """If all rows are equal, the prediction is the class frequencies, without a warning."""
    rows = np.full(shape, 2.0, np.float32)
    labels = np.arange(len(rows)) % 3 // 2  # two of three are class 0
    solution = solve(Examples(rows, labels, rows, labels, TASKS["binary"], 2))
    np.testing.assert_allclose(probabilities(solution, rows)[0], [2 / 3, 1 / 3], atol=0.02)


def test_solve_of_a_class_without_training_rows_is_finite() -> None:
    """A class that only validation has gets a small probability and finite weights."""
    problem = make(20, 30, 3)
    keep = problem.labels < 2
    solution = solve(problem._replace(rows=problem.rows[keep], labels=problem.labels[keep]))
    answered = probabilities(solution, problem.val_rows)
    assert np.isfinite(answered).all()
    assert answered[:, 2].max() < 0.5


def test_on_step_can_stop_the_search() -> None:
    """Penalties go from strong to weak until ``on_step`` returns False; the best so far is returned."""
    problem = make(40, 100, 3)
    told: list[Step] = []

    def on_step(step: Step) -> bool:
        told.append(step)
        return len(told) < 3

    solution = solve(problem, on_step=on_step)
    assert solution.steps == told
    assert [step.penalty for step in told] == list(PENALTIES[:3])
    assert solution.steps[solution.best].val_loss == min(step.val_loss for step in told)


def test_solve_stops_after_the_best_penalty() -> None:
    """On noise the strongest penalty is best, and only two weaker ones are tried after it."""
    random = np.random.default_rng(3)
    rows, val_rows = (random.normal(size=(60, 200)).astype(np.float32) for _ in range(2))
    labels, val_labels = (random.integers(0, 2, 60) for _ in range(2))
    solution = solve(Examples(rows, labels, val_rows, val_labels, TASKS["binary"], 2))
    assert solution.best == 0
    assert len(solution.steps) == 3


def test_solve_is_deterministic() -> None:
    """The solver uses no random numbers."""
    problem = make(40, 100, 3)
    first, second = solve(problem), solve(problem)
    np.testing.assert_array_equal(first.kernel, second.kernel)
    np.testing.assert_array_equal(first.bias, second.bias)


# Folds


def in_folds(problem: Examples, num_folds: int) -> Examples:
    """The problem with all its rows in folds, in turn."""
    return problem._replace(folds=np.arange(len(problem.rows) + len(problem.val_rows)) // problem.num_classes % num_folds)


def by_scikit_learn(rows: Array, labels: Array, others: Array, penalty: float, whole: Array) -> Array:
    """Probabilities of ``others`` by scikit-learn, fitted to rows in the centre and scale of the whole."""
    mean = whole.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(np.square(whole - mean).sum(axis=1).mean())
    model = LogisticRegression(C=1 / (penalty * len(rows)), tol=1e-8, max_iter=10_000)
    answered: Array = model.fit((rows - mean) / scale, labels).predict_proba((others - mean) / scale)
    return answered


@shapes
def test_solve_with_folds_fits_all_rows_and_predicts_each_by_others(num_rows: int, num_features: int) -> None:
    """The penalty has the lowest loss over all folds, and each validation row is predicted without its fold."""
    problem = in_folds(make(num_rows, num_features, 3, noise=6.0), 5)
    solution = solve(problem)
    folds, penalty = problem.folds, solution.steps[solution.best].penalty
    assert folds is not None
    whole, labels = np.concatenate([problem.rows, problem.val_rows]), np.concatenate([problem.labels, problem.val_labels])
    fitted = by_scikit_learn(whole, labels, problem.val_rows, penalty, whole)
    np.testing.assert_allclose(probabilities(solution, problem.val_rows), fitted, atol=5e-3)
    answered = np.zeros((len(whole), 3))
    for fold in range(5):
        held_out = folds == fold
        answered[held_out] = by_scikit_learn(whole[~held_out], labels[~held_out], whole[held_out], penalty, whole)
    np.testing.assert_allclose(solution.held_out.answers, answered, atol=5e-3)
    best = solution.steps[solution.best]
    assert best.held_out_loss == min(step.held_out_loss for step in solution.steps)
    assert best.held_out_loss == pytest.approx(problem.task.score(labels, answered), abs=5e-3)
    assert best.val_loss == pytest.approx(
        problem.task.score(problem.val_labels, solution.held_out.answers[num_rows:]), rel=1e-5
    )
    assert best.val_loss > problem.task.score(problem.val_labels, probabilities(solution, problem.val_rows))


def test_solve_with_the_validation_rows_as_the_only_fold_selects_as_without_folds() -> None:
    """The steps are those of a fit to the training rows, but for the centre and scale, and the weights know all rows."""
    problem = make(300, 20, 3, noise=4.0)
    alone, refitted = solve(problem), solve(problem._replace(folds=np.repeat([-1, 0], [300, 300])))
    assert [step.val_loss for step in refitted.steps] == pytest.approx([step.val_loss for step in alone.steps], abs=2e-3)
    assert [step.held_out_loss for step in refitted.steps] == [step.val_loss for step in refitted.steps]
    assert problem.task.score(problem.val_labels, probabilities(refitted, problem.val_rows)) < min(
        step.val_loss for step in refitted.steps
    )


def test_augmented_copies_are_held_out_with_their_sample() -> None:
    """With exact copies the fold loss stays what it is; if they leaked it would fall to the loss on fitted rows."""
    problem = in_folds(make(60, 100, 3, noise=3.0), 5)
    folds = problem.folds
    assert folds is not None
    copies = problem._replace(
        rows=np.concatenate([problem.rows, problem.rows]),
        labels=np.concatenate([problem.labels, problem.labels]),
        folds=np.concatenate([folds[:60], folds]),
        num_views=60,
    )
    once, twice = solve(problem), solve(copies)
    number = min(len(once.steps), len(twice.steps))
    for step, with_copies in zip(once.steps[:number], twice.steps[:number], strict=True):
        assert with_copies.held_out_loss == pytest.approx(step.held_out_loss, abs=0.05)
    assert twice.steps[number - 1].held_out_loss > 3 * twice.steps[number - 1].loss
    assert twice.held_out.samples.tolist() == [*range(60), *range(120, 180)]
