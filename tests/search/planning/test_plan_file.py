"""The whole: a plan file is read whole, or refused in three lines that name the file, the trial and the key."""

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
from headstart.search.planning.plan_file import Entry, read_plan
from headstart.search.planning.plans import make_trials
from headstart.training.networks.networks import NETWORKS, Network
from headstart.training.recipe import Recipe
from headstart.training.schedules import SCHEDULES
from headstart.training.trials.setting_checks import ACTIVATIONS, LOSSES, OPTIMIZERS, nearest
from headstart.training.trials.settings import KEYS, option_check
from headstart.training.trials.trial import Trial

PAGE = (Path(__file__).parents[3] / "docs" / "plans.md").read_text("utf-8")
WriteFile = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """A function that writes a plan file and gives its path."""

    def make(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        return path

    return make


def _trials(path: Path, *names: str, seed: int = 0) -> list[Trial]:
    return make_trials(str(path), names, weights=None, seed=seed)


def _refused(path: Path, code: str) -> HeadstartError:
    """The error of a plan that cannot be used, which names the file and stays three lines long."""
    with pytest.raises(HeadstartError) as caught:
        _trials(path)
    error = caught.value
    assert error.code == code, error
    assert error.received.startswith(str(path))
    assert len(str(error).splitlines()) == 4
    return error


EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_on_the_page_for_tables_is_a_plan(write: WriteFile) -> None:
    """All of its trials are on rows of features, baselines and one-vs-rest among them."""
    _, example = EXAMPLES
    trials = make_trials(str(write(example)), (), weights=None, seed=5, is_table=True)
    assert all(trial.part.is_table for trial in trials)
    assert [trial.is_baseline for trial in trials] == [True, True, False, False, False]
    assert [trial.name for trial in trials[2:]] == ["table-linear", "wide", "table-ovr_linear"]
    assert trials[3].recipe.options["units"] == [256, 128]


def test_the_example_on_the_page_is_a_plan(write: WriteFile) -> None:
    """``docs/plans.md`` holds a complete example for images, and it is read as the page says."""
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


def test_the_page_names_every_key() -> None:
    """The table of keys is that of the source, and so are the names it lists."""
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(KEYS)
    rows = {row.split("`")[1]: row for row in PAGE.splitlines() if row.startswith("| `")}
    for key, names in (("network", NETWORKS), ("augmentation", AUGMENTATIONS), ("schedule", SCHEDULES)):
        assert all(f"`{name}`" in rows[key] for name in names)
    assert all(f"`{option}`" in rows["options"] for network in NETWORKS.values() for option in network.options)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_an_example_that_will_do(key: str) -> None:
    """What a refusal shows as an example is accepted."""
    ((name, value),) = tomllib.loads(KEYS[key].example).items()
    assert name == key
    assert KEYS[key].check(value) is None


def test_keys_are_fields_of_the_recipe() -> None:
    """Whatever is not the trial's own goes into its recipe by the same name; the seed belongs to the whole run."""
    own = {"trial", "backbone", "cut", "pooling", "size", "name", "gain"}
    assert set(KEYS) - own == {field.name for field in fields(Recipe)} - {"seed"}


def test_names_known_without_keras_are_keras_s() -> None:
    """The optimizers, activations and losses that a plan may name are ones that Keras finds."""
    import keras

    assert all(keras.optimizers.get(name) for name in OPTIMIZERS)
    assert all(keras.activations.get(name) for name in ACTIVATIONS)
    assert all(keras.losses.get(name) for name in LOSSES)


def test_entries_are_plain(write: WriteFile) -> None:
    """An entry holds the trial's full spelling, its gain and its settings, numbers as the recipe has them."""
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
def test_what_is_spelled_out_has_a_name(keys: str, name: str, write: WriteFile) -> None:
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
def test_a_file_that_is_no_toml_is_told(text: str, reason: str, write: WriteFile) -> None:
    """H030 says why, with the line where TOML has one."""
    assert reason in _refused(write(text), "H030").received


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    """H030 for another encoding; the mark that some editors put before UTF-8 does no harm."""
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
def test_an_unknown_key_is_told_with_the_nearest(text: str, key: str, meant: str, write: WriteFile) -> None:
    """H031 names the key, and the one that it was meant for."""
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
def test_a_value_that_cannot_be_used_is_told(key: str, value: str, expected: str, write: WriteFile) -> None:
    """H032 shows the key, what stands there and what may."""
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
def test_an_option_that_cannot_be_used_is_told(network: str, option: str, value: str, write: WriteFile) -> None:
    """H032 for the options of a network too, before anything is computed."""
    error = _refused(write(f'[[trial]]\nnetwork = "{network}"\n[trial.options]\n{option} = {value}\n'), "H032")
    assert f"options.{option} = " in error.received


def test_options_of_a_network_that_is_added_are_checked_by_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that a user puts into the table states its options in its function."""

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


def test_amounts_out_of_range_are_told(write: WriteFile) -> None:
    """H010 of the augmentation, with the file and the trial before it."""
    error = _refused(write('[[trial]]\nname = "turned"\nnetwork = "cnn"\naugmentation = {rotation = 900}'), "H010")
    assert "trial 1 (turned): rotation 900" in error.received


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "trial = []\n", '[trial]\ntrial = "linear"\n', 'trial = ["linear"]\n']
)
def test_a_plan_without_a_trial_is_told(text: str, write: WriteFile) -> None:
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
def test_two_trials_of_one_name_are_told(first: str, second: str, write: WriteFile) -> None:
    """H034, whether the name was given or made: no trial overwrites another, whatever the disk makes of case."""
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
def test_two_trials_that_the_images_give_one_name_are_told(
    first: str, second: str, write: WriteFile, photos: Callable[..., Path], tmp_path: Path
) -> None:
    """H034 when the size is known and before any image is decoded; where the images are smaller, both trials are there."""
    path = write(f"[[trial]]\n{first}\n[[trial]]\n{second}\n")
    assert len(make_trials(str(path), (), weights=None, seed=0, side=48)) == 2
    with pytest.raises(HeadstartError) as caught:
        hs.fit(photos(per_class=2), plan=path, out=tmp_path / "run")
    assert caught.value.code == "H034"
    assert caught.value.received == f"{path}, trial 2: pixels-64px-cnn is already trial 1"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("classes", [("circle", "square"), ("circle", "square", "triangle")])
def test_a_loss_that_does_not_fit_the_task_is_told_before_any_image_is_decoded(
    loss: str,
    classes: tuple[str, ...],
    write: WriteFile,
    photos: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """H040 names the trial, the loss and the task. One that fits goes on to Part A, and so does a run without that trial."""

    def decode(*_: object, **__: object) -> None:
        raise HeadstartError("H999", "Part A has begun", received="", expected="", advice="")

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


def test_the_losses_of_a_plan_are_those_of_the_tasks() -> None:
    """Each once, whichever tasks it is of: which one the data have, the data will tell. The page names them all."""
    assert {loss for task in TASKS.values() for loss in task.losses} == set(LOSSES)
    assert len(LOSSES) == len(set(LOSSES))
    (row,) = (line for line in PAGE.splitlines() if line.startswith("| `loss` |"))
    assert all(f"`{loss}`" in row for loss in LOSSES)


def test_a_name_of_its_own_tells_a_recipe_from_another(write: WriteFile) -> None:
    """Two trials that differ in their settings alone, one of them named."""
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
def test_keys_that_do_not_go_together_are_told(keys: str, said: str, write: WriteFile) -> None:
    """H035 rather than a key that is quietly not used."""
    assert said in _refused(write(f"[[trial]]\n{keys}\n"), "H035").received


def test_a_linear_head_takes_the_keys_of_a_training_beside_an_optimizer(write: WriteFile) -> None:
    """Then Keras trains it."""
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
def test_a_trial_that_cannot_be_is_told_with_its_place(keys: str, code: str, write: WriteFile) -> None:
    """The errors of a trial keep their codes, and say where in the plan it stands."""
    assert ", trial 1" in _refused(write(f"[[trial]]\n{keys}\n"), code).received


def test_named_trials_are_the_plan_s(write: WriteFile) -> None:
    """``--trial`` chooses among the plan's own, with their settings, by whatever spelling; others are as they always are."""
    path = write('[[trial]]\ntrial = "mlp"\nepochs = 3\n[[trial]]\nname = "wide"\nnetwork = "dnn"\n')
    found = _trials(path, "wide", "grid2-mlp", "linear")
    assert [trial.name for trial in found] == ["wide", "efficientnet_lite0-grid2-mlp", "efficientnet_lite0-grid2-linear"]
    assert found[1].recipe.epochs == 3


def test_a_wrong_word_is_compared_whatever_its_case() -> None:
    """The nearest name, or none."""
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
def test_any_plan_is_read_or_refused(table: dict[str, object], key: str, value: object) -> None:
    """Whatever a file holds, there is no traceback."""
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
