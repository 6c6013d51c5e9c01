"""Plan files are read, or rejected with an error of three lines that names the file, the trial and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headstart as hs
from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.presets import AUGMENTATIONS
from headstart.data.tasks import TASKS
from headstart.foundation.errors import HeadstartError
from headstart.foundation.text import nearest
from headstart.search.planning.plan_file import Entry, read_plan
from headstart.search.planning.plans import make_trials
from headstart.training.networks.networks import NETWORKS, Network
from headstart.training.recipe import Recipe
from headstart.training.schedules import SCHEDULES
from headstart.training.trials.setting_checks import ACTIVATIONS, LOSSES, OPTIMIZERS
from headstart.training.trials.settings import KEYS, option_check
from headstart.training.trials.trial import Trial

PAGE = (Path(__file__).parents[3] / "docs" / "plans.md").read_text("utf-8")
WriteFile = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Return a function that writes a plan file and returns its path."""

    def make(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        return path

    return make


def _trials(path: Path, *names: str, seed: int = 0) -> list[Trial]:
    return make_trials(str(path), names, weights=None, seed=seed)


def _refused(path: Path, code: str) -> HeadstartError:
    """Return the error of an invalid plan, which must name the file and have three lines."""
    with pytest.raises(HeadstartError) as caught:
        _trials(path)
    error = caught.value
    assert error.code == code, error
    assert error.received.startswith(str(path))
    assert len(str(error).splitlines()) == 4
    return error


EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_documented_table_plan_is_valid(write: WriteFile) -> None:
    """All trials of the example are on table features, baselines and one-vs-rest included."""
    _, example = EXAMPLES
    trials = make_trials(str(write(example)), (), weights=None, seed=5, is_table=True)
    assert all(trial.part.is_table for trial in trials)
    assert [trial.is_baseline for trial in trials] == [True, True, False, False, False, False]
    assert [trial.name for trial in trials[2:]] == ["table-linear", "wide", "plain", "table-ovr_linear"]
    assert trials[3].recipe.options["units"] == [128, 128]


def test_documented_image_plan_is_valid(write: WriteFile) -> None:
    """``docs/plans.md`` has a complete example for images, and it is read as the page says."""
    example, _ = EXAMPLES
    first, pair, tail, own = _trials(write(example), seed=5)
    assert first.name == "efficientnet_lite0-grid2-linear"
    assert first.is_solved
    assert (pair.name, pair.gain, pair.part.name) == ("pair", 0.8, "efficientnet_lite0+efficientnet_lite1-avg-260px")
    assert pair.recipe == Recipe(
        "dnn",
        options={"units": [256, 128], "dropout": 0.4, "regularizer": "l2:1e-5"},
        optimizer="adamw",
        learning_rate=1e-3,
        schedule="cosine",
        epochs=20,
        batch_size=32,
        views=2,
        augmentation=Augmentation(horizontal_flip=0.5, rotation=10, crop=0.2),
        seed=5,
    )
    assert (tail.part.stage, tail.recipe.tail_rate, tail.recipe.epochs) == ("stage6_block3", 0.05, 8)
    assert (own.name, own.recipe.augmentation) == ("pixels-64px-cnn", AUGMENTATIONS["strong"])


def test_documented_keys_are_complete() -> None:
    """The table of keys in the docs matches the source, and so do the names that it lists."""
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(KEYS)
    rows = {row.split("`")[1]: row for row in PAGE.splitlines() if row.startswith("| `")}
    for key, names in (("network", NETWORKS), ("augmentation", AUGMENTATIONS), ("schedule", SCHEDULES)):
        assert all(f"`{name}`" in rows[key] for name in names)
    assert all(f"`{option}`" in rows["options"] for network in NETWORKS.values() for option in network.options)


@pytest.mark.parametrize("key", KEYS)
def test_example_of_each_key_is_valid(key: str) -> None:
    """The example shown by an error is accepted."""
    ((name, value),) = tomllib.loads(KEYS[key].example).items()
    assert name == key
    assert KEYS[key].check(value) is None


def test_keys_are_fields_of_the_recipe() -> None:
    """Keys that are not the trial's own are fields of its recipe; the seed is that of the whole run."""
    own = {"trial", "backbone", "cut", "pooling", "size", "name", "gain"}
    assert set(KEYS) - own == {field.name for field in fields(Recipe)} - {"seed"}


def test_names_known_without_keras_exist_in_keras() -> None:
    """Keras finds every optimizer, activation and loss that a plan may name."""
    import keras

    assert all(keras.optimizers.get(name) for name in OPTIMIZERS)
    assert all(keras.activations.get(name) for name in ACTIVATIONS)
    assert all(keras.losses.get(name) for name in LOSSES)


def test_entry_has_plain_values(write: WriteFile) -> None:
    """An entry has the trial's full name, its gain and its settings, with numbers of the recipe's types."""
    path = write('[[trial]]\nnetwork = "mlp"\npooling = "avg"\ngain = 2\nlearning_rate = 1\noptimizer = "RMSprop"\n')
    settings = {"learning_rate": 1.0, "optimizer": "RMSprop"}
    assert read_plan(path) == (Entry("efficientnet_lite0-avg-mlp", 2.0, settings, ""),)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ('network = "linear"', "efficientnet_lite0-linear"),
        ('network = "linear"\ncut = "pixels"', "efficientnet_lite0-pixels-linear"),
        ('network = "cnn"', "pixels-cnn"),
        ('network = "cnn"\ncut = "pixels"\nsize = 48', "pixels-48px-cnn"),
        ('network = "cnn"\nbackbone = "pixels"', "pixels-cnn"),
        ('network = "mlp"\nbackbone = "MobileNetV2"\ncut = "block_12_add"', "MobileNetV2-block_12_add-mlp"),
        ('network = "mlp"\nbackbone = "efficientnet_lite0+efficientnet_lite1"', "efficientnet_lite0+efficientnet_lite1-mlp"),
    ],
)
def test_separate_keys_make_the_name_of_a_trial(keys: str, name: str, write: WriteFile) -> None:
    """Backbone, cut, pooling, size and network make the name that ``parse_trial`` reads."""
    path = write(f"[[trial]]\n{keys}\n")
    assert [entry.trial for entry in read_plan(path)] == [name]
    assert len(_trials(path)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[trial\n", "line 1"),
        ('[[trial]]\ntrial = "linear"\ntrial = "mlp"\n', "line 3"),
        ("[[trial]]\nepochs = " + "9" * 5000, "digits"),
        ("x = " + "[" * 20_000, ""),
    ],
)
def test_invalid_toml_raises_h030(text: str, reason: str, write: WriteFile) -> None:
    """H030 gives the reason, with the line if TOML names one."""
    assert reason in _refused(write(text), "H030").received


def test_other_encoding_raises_h030(tmp_path: Path) -> None:
    """H030 is raised for another encoding; a byte order mark before UTF-8 is accepted."""
    path = tmp_path / "mine.toml"
    path.write_bytes("# ä\n".encode("latin-1"))
    _refused(path, "H030")
    path.write_bytes(b'\xef\xbb\xbf[[trial]]\r\ntrial = "linear"\r\n')
    assert len(_trials(path)) == 1


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ('[[trial]]\ntrial = "mlp"\nlearning-rate = 0.1', "learning-rate", "learning_rate"),
        ('[[trial]]\ntrial = "mlp"\nEpoch = 3', "Epoch", "epochs"),
        ('[[trial]]\ntrial = "mlp"\nunits = 64', "units", "[trial.options]"),
        ('[[trial]]\ntrial = "mlp"\nzzz = 3', "zzz", "leave it out"),
        ('[[trial]]\ntrial = "mlp"\n[trial.options]\ndropuot = 0.1', "options.dropuot", "dropout"),
        ('[[trial]]\ntrial = "linear"\n[trial.options]\nunits = 3', "options.units", "leave it out"),
        ('[[trial]]\nnetwork = "cnn"\naugmentation = {rotate = 3}', "augmentation.rotate", "rotation"),
        ('[[trials]]\ntrial = "mlp"', "trials", "[[trial]]"),
        ('epochs = 3\n[[trial]]\ntrial = "mlp"', "epochs", "below a [[trial]] line"),
    ],
)
def test_unknown_key_raises_h031_with_the_nearest_key(text: str, key: str, meant: str, write: WriteFile) -> None:
    """H031 names the key and the one that was probably meant."""
    error = _refused(write(text), "H031")
    assert error.received.endswith(key)
    assert meant in error.advice


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("trial", "3", "name"),
        ("trial", '"efficientnet_lite0-forest"', "mlp"),
        ("network", '"mpl"', "mlp"),
        ("network", "[]", "mlp"),
        ("backbone", '"VGG20"', "keras.applications"),
        ("backbone", "[]", "list"),
        ("backbone", "[3]", "list"),
        ("backbone", '["efficientnet_lite0", "EfficientNet_Lite0"]', "once"),
        ("backbone", '["efficientnet_lite0", "pixels"]', "keras.applications"),
        ("backbone", '"efficientnet_lite0-avg"', "keras.applications"),
        ("cut", '"avg"', "stage"),
        ("cut", '"64px"', "stage"),
        ("cut", '"a-b"', "stage"),
        ("pooling", '"grid3"', "grid2"),
        ("size", "7", "8 to 2048"),
        ("size", "64.0", "whole number"),
        ("name", '""', "letters"),
        ("name", '"../up"', "letters"),
        ("name", '".hidden"', "letters"),
        ("name", '"Ensemble"', "ensemble"),
        ("name", '"fold_ensemble"', "fold_ensemble"),
        ("name", '"' + "x" * 81 + '"', "80 letters"),
        ("gain", "-0.1", "0 to"),
        ("gain", "nan", "a number"),
        ("gain", "inf", "a number"),
        ("gain", "true", "a number"),
        ("views", "0", "from 1"),
        ("views", "true", "whole number"),
        ("augmentation", '"lihgt"', "strong"),
        ("augmentation", "3", "table of augmentation settings"),
        ("optimizer", '"adamm"', "adam"),
        ("optimizer", "1979-05-27", "adam"),
        ("learning_rate", "0", "above 0"),
        ("learning_rate", "-1e-3", "above 0"),
        ("learning_rate", "nan", "above 0"),
        ("learning_rate", '"0.1"', "above 0"),
        ("learning_rate", "0x" + "f" * 6000, "below 1000"),
        ("schedule", '"cosin"', "one_cycle"),
        ("tail_rate", "1.5", "0 to 1"),
        ("loss", '"crossentropy"', "categorical_crossentropy"),
        ("epochs", "0", "from 1"),
        ("epochs", "2.5", "whole number"),
        ("batch_size", "48", "power of two"),
        ("batch_size", "0", "power of two"),
        ("batch_size", "-8", "power of two"),
        ("patience", "0", "from 1"),
        ("options", "3", "a table"),
    ],
)
def test_invalid_value_raises_h032(key: str, value: str, expected: str, write: WriteFile) -> None:
    """H032 shows the key, its value and what is allowed."""
    rest = "" if key in ("trial", "network") else 'network = "mlp"\n'
    error = _refused(write(f'[[trial]]\ntrial = "linear"\n\n[[trial]]\n{rest}{key} = {value}\n'), "H032")
    assert ", trial 2" in error.received
    assert f": {key} = " in error.received
    assert error.expected.startswith(f"{key}: ")
    assert expected in error.expected


@pytest.mark.parametrize(
    ("network", "option", "value"),
    [
        ("mlp", "units", "[64]"),
        ("mlp", "units", "0"),
        ("dnn", "units", "64"),
        ("dnn", "units", "[]"),
        ("dnn", "units", "[64, 0]"),
        ("dnn", "dropout", "1"),
        ("dnn", "dropout", "nan"),
        ("dnn", "activation", '"rleu"'),
        ("dnn", "regularizer", '"l3:1"'),
        ("dnn", "regularizer", "1e-4"),
        ("cnn", "filters", '"32"'),
        ("cnn", "kernel", "0"),
        ("cnn", "shrink", '"pool"'),
        ("cnn", "padding", '"none"'),
        ("cnn", "residual", "1"),
        ("cnn", "end", "3"),
    ],
)
def test_invalid_option_of_a_network_raises_h032(network: str, option: str, value: str, write: WriteFile) -> None:
    """H032 is raised for options of a network, too, before anything is computed."""
    error = _refused(write(f'[[trial]]\nnetwork = "{network}"\n[trial.options]\n{option} = {value}\n'), "H032")
    assert f"options.{option} = " in error.received


def test_options_of_an_added_network_are_checked_by_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that a user adds to the table declares its options as arguments of its function."""

    def build(rows: object, *, num_samples: int, depth: int = 3, mode: str | None = None, free=None) -> object:
        return rows

    monkeypatch.setitem(NETWORKS, "tower", Network(build))
    assert NETWORKS["tower"].options == ("depth", "mode", "free")
    assert option_check("tower", "depth")(4) is None
    assert option_check("tower", "depth")("4") is not None
    assert option_check("tower", "mode")("deep") is None
    assert option_check("tower", "mode")(4) is not None
    assert option_check("tower", "mode")(None) is None
    assert option_check("tower", "free")([{}]) is None


def test_augmentation_out_of_range_raises_h010(write: WriteFile) -> None:
    """H010 of the augmentation is raised with the file and the trial in front."""
    error = _refused(write('[[trial]]\nname = "turned"\nnetwork = "cnn"\naugmentation = {rotation = 900}'), "H010")
    assert "trial 1 (turned): rotation 900" in error.received


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "trial = []\n", '[trial]\ntrial = "linear"\n', 'trial = ["linear"]\n']
)
def test_plan_without_a_trial_raises_h033(text: str, write: WriteFile) -> None:
    """H033 shows how a trial is written."""
    assert "[[trial]]" in _refused(write(text), "H033").advice


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('trial = "linear"', 'network = "linear"'),
        ('trial = "mlp"', 'trial = "mlp"\nepochs = 3'),
        ('trial = "mlp"\nname = "a"', 'trial = "linear"\nname = "A"'),
        ('trial = "mlp"', 'trial = "linear"\nname = "efficientnet_lite0-grid2-mlp"'),
    ],
)
def test_two_trials_of_one_name_raise_h034(first: str, second: str, write: WriteFile) -> None:
    """H034 is raised for given and derived names, and upper and lower case count as equal."""
    error = _refused(write(f"[[trial]]\n{first}\n[[trial]]\n{second}\n"), "H034")
    assert "trial 2" in error.received
    assert "name = " in error.advice


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('trial = "pixels-64px-cnn"\nepochs = 3', 'trial = "pixels-cnn"\nepochs = 5'),
        ('trial = "mlp"\nname = "pixels-64px-cnn"', 'network = "cnn"'),
    ],
)
def test_two_trials_of_one_name_at_the_image_size_raise_h034(
    first: str, second: str, write: WriteFile, photos: Callable[..., Path], tmp_path: Path
) -> None:
    """H034 is raised once the size is known, before any image is decoded; with smaller images, both trials are valid."""
    path = write(f"[[trial]]\n{first}\n[[trial]]\n{second}\n")
    assert len(make_trials(str(path), (), weights=None, seed=0, side=48)) == 2
    with pytest.raises(HeadstartError) as caught:
        hs.fit(photos(per_class=2), plan=path, out=tmp_path / "run")
    assert caught.value.code == "H034"
    assert caught.value.received == f"{path}, trial 2: pixels-64px-cnn is already trial 1"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("classes", [("circle", "square"), ("circle", "square", "triangle")])
def test_loss_of_another_task_raises_h040_before_images_are_decoded(
    loss: str,
    classes: tuple[str, ...],
    write: WriteFile,
    photos: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """H040 names the trial, the loss and the task. A loss that fits, or a run without that trial, goes on to Part A."""

    def decode(*_: object, **__: object) -> None:
        raise HeadstartError("H999", "Part A has begun", received="", expected="", advice="", exit_code=1)

    monkeypatch.setattr("headstart.search.shared_features.extract", decode)
    path = write(f'[[trial]]\ntrial = "linear"\n[[trial]]\ntrial = "mlp"\nloss = "{loss}"\n')
    data, is_fitting = (
        photos(per_class=2, classes=classes),
        loss in TASKS["binary" if len(classes) == 2 else "multiclass"].losses,
    )
    with pytest.raises(HeadstartError) as caught:
        hs.fit(data, plan=path, out=tmp_path / "run")
    assert caught.value.code == ("H999" if is_fitting else "H040")
    assert is_fitting or f"efficientnet_lite0-grid2-mlp: loss = {loss}" in caught.value.received
    assert (tmp_path / "run").exists() == is_fitting
    with pytest.raises(HeadstartError, match="H999"):
        hs.fit(data, plan=path, trial="linear", out=tmp_path / "alone")


def test_losses_of_plans_are_those_of_the_tasks() -> None:
    """Every loss of a task is listed once, and the docs name them all."""
    assert {loss for task in TASKS.values() for loss in task.losses} == set(LOSSES)
    assert len(LOSSES) == len(set(LOSSES))
    (row,) = (line for line in PAGE.splitlines() if line.startswith("| `loss` |"))
    assert all(f"`{loss}`" in row for loss in LOSSES)


def test_name_distinguishes_trials_that_differ_in_settings(write: WriteFile) -> None:
    """Two trials may differ only in their settings if one of them has a name."""
    path = write('[[trial]]\ntrial = "mlp"\n[[trial]]\ntrial = "mlp"\nepochs = 3\nname = "short"\n')
    assert [(trial.name, trial.recipe.epochs) for trial in _trials(path)] == [
        ("efficientnet_lite0-grid2-mlp", None),
        ("short", 3),
    ]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('trial = "linear"\npooling = "avg"', "pooling together with trial"),
        ('trial = "4views-linear"\nviews = 2', "views"),
        ("epochs = 3", "neither trial nor network"),
        ("", "nothing"),
        ('network = "cnn"\npooling = "avg"', "pooling"),
        ('trial = "linear"\nlearning_rate = 0.1\nbatch_size = 32', "learning_rate, batch_size"),
        ('trial = "mlp"\nschedule = "cosine"\npatience = 3', "patience with the schedule cosine"),
        ('network = "mlp"\ncut = "stage6_block3"\npatience = 3', "patience with the schedule cosine"),
        ('network = "cnn"\ntail_rate = 0.5', "tail_rate with pixels"),
    ],
)
def test_conflicting_keys_raise_h035(keys: str, said: str, write: WriteFile) -> None:
    """H035 is raised instead of ignoring a key."""
    assert said in _refused(write(f"[[trial]]\n{keys}\n"), "H035").received


def test_linear_head_with_an_optimizer_takes_training_keys(write: WriteFile) -> None:
    """With an optimizer, Keras trains the linear head."""
    (trial,) = _trials(write('[[trial]]\ntrial = "linear"\noptimizer = "sgd"\nlearning_rate = 0.1\n'))
    assert not trial.is_solved


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ('backbone = "efficientnet_lite0"\nnetwork = "cnn"', "H008"),
        ('backbone = ["efficientnet_lite0", "efficientnet_lite1"]\ncut = "stage6_block3"\nnetwork = "mlp"', "H008"),
        ('network = "mlp"\naugmentation = "light"', "H008"),
        ('network = "mlp"\ncut = "stage6_block3"\noptimizer = "Nadam"', "H041"),
        ('cut = "stage9"\nnetwork = "mlp"', "H206"),
        ('trial = "VGG20-linear"', "H201"),
        ('trial = "avg-grid2-linear"', "H002"),
    ],
)
def test_errors_of_a_trial_name_its_place_in_the_plan(keys: str, code: str, write: WriteFile) -> None:
    """Errors of a trial keep their codes and name the plan file and the trial."""
    assert ", trial 1" in _refused(write(f"[[trial]]\n{keys}\n"), code).received


def test_named_trials_keep_the_settings_of_the_plan(write: WriteFile) -> None:
    """``--trial`` selects trials of the plan with their settings, by any spelling; other names are parsed as usual."""
    path = write('[[trial]]\ntrial = "mlp"\nepochs = 3\n[[trial]]\nname = "wide"\nnetwork = "dnn"\n')
    found = _trials(path, "wide", "grid2-mlp", "linear")
    assert [trial.name for trial in found] == ["wide", "efficientnet_lite0-grid2-mlp", "efficientnet_lite0-grid2-linear"]
    assert found[1].recipe.epochs == 3


def test_nearest_ignores_case() -> None:
    """The nearest name is found whatever its case, or none."""
    assert nearest("BATCHSIZE", KEYS) == "batch_size"
    assert nearest("qqq", KEYS) == ""
    assert nearest("x" * 100_000, KEYS) == ""


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["mlp", "linear", "cnn"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


AMOUNTS = st.dictionaries(st.sampled_from([field.name for field in fields(Augmentation)]), VALUES, max_size=3)
OPTIONS = st.dictionaries(st.sampled_from(["units", "dropout", "activation", "regularizer"]), VALUES, max_size=3)
TABLES = st.dictionaries(st.sampled_from([*KEYS, "seed"]), VALUES, max_size=4) | st.fixed_dictionaries(
    {"network": st.sampled_from(["mlp", "cnn"]), "augmentation": AMOUNTS, "options": OPTIONS}
)


@given(table=TABLES, key=st.sampled_from(list(KEYS)), value=VALUES)
def test_any_plan_is_read_or_rejected(table: dict[str, object], key: str, value: object) -> None:
    """Whatever a file contains, there is no traceback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "headstart.search.planning.plan_file._parsed", lambda path: {"trial": [{"network": "mlp", key: value}, table]}
        )
        try:
            entries = read_plan(Path("mine.toml"))
        except HeadstartError as error:
            assert error.code in ("H010", "H031", "H032", "H035")  # noqa: PT017  the alternative is a plan, checked below
            return
    assert len(entries) == 2
