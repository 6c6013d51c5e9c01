"""Batches from disk are a pure function of seed, epoch and index, in any Keras fit, whatever the files."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.generator.batch_order import BatchOrder, Schedule
from headstart.data.generator.image_generator import ImageGenerator
from headstart.data.images import preprocess as pixels
from headstart.data.images.geometry import Geometry
from headstart.data.readers.arrays import read_arrays
from headstart.data.readers.folders.folder import read_folder
from headstart.foundation.errors import UsageError

Make = Callable[..., ImageGenerator]


@pytest.fixture
def make(photos: Callable[..., Path]) -> Iterator[Make]:
    """Makes generators over twelve photographs of three classes, 16 pixels a side, five a batch; they end with the test."""
    folder = photos(per_class=4)
    made = []

    def generator(data: object = folder, **settings: Any) -> ImageGenerator:
        made.append(ImageGenerator(data, 16, 5, **({"workers": 1} | settings)))  # type: ignore[arg-type]
        return made[-1]

    yield generator
    for one in made:
        one.close()


class Recording(ImageGenerator):
    """Remembers which batches were given."""

    def _batch(self, epoch: int, index: int, verb: str = "") -> Any:
        vars(self).setdefault("given", []).append((epoch, index))
        return super()._batch(epoch, index, verb)


def same(one: Any, other: Any) -> bool:
    """Whether two batches hold the same."""
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def network(outputs: int = 3) -> keras.Model:
    """The smallest classifier of squares."""
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(outputs, activation="softmax")]
    model = keras.Sequential([keras.Input((16, 16, 3)), *layers])
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    return model


def test_a_pass_holds_every_sample_once_as_the_decoder_gives_it(make: Make) -> None:
    """Without augmentation an epoch is every file's own square and label, as float32 of 0 to 255."""
    generator = make(shuffle=False)
    batches = list(generator)
    assert [len(images) for images, _ in batches] == [5, 5, 2]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert (images.dtype, labels.dtype) == (np.float32, np.int32)
    for path, image in zip(generator.filepaths, images, strict=True):
        assert np.array_equal(image, pixels.load(path, 16))
    assert labels.tolist() == generator.classes.tolist()
    assert generator.epoch == 1


def test_any_order_of_calls_gives_the_same_batches(make: Make) -> None:
    """A batch follows from seed, epoch and number, in whatever order and however often it is asked for."""
    one, other = (make(augmentation="light", seed=5) for _ in range(2))
    expected = {(epoch, index): batch for epoch in range(3) for index, batch in enumerate(one)}
    for epoch, index in [(2, 1), (0, 2), (0, 0), (2, 1), (1, 2), (2, 0), (0, 1)]:
        other.epoch = epoch
        assert same(other[index], expected[epoch, index])
        assert same(other[index - 3], expected[epoch, index])
    with pytest.raises(IndexError, match="batch 3 of 3"):
        other[3]


def test_orders_and_views_change_with_epoch_and_seed(make: Make) -> None:
    """Each epoch has another order and other views of the same pictures; so has each seed."""
    first, second = make(augmentation="strong", shuffle=False), make(augmentation="strong", shuffle=False, seed=1)
    views = [np.concatenate([images for images, _ in generator]) for generator in (first, first, second)]
    assert first.epoch == 2
    assert not any(np.array_equal(views[0][i], views[1][i]) or np.array_equal(views[0][i], views[2][i]) for i in range(12))
    orders = [Schedule(12, 5, True, seed).order(epoch).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert orders[0] == orders[3]
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == list(range(12)) for order in orders)


def test_fit_takes_the_batches_in_order_and_counts_epochs(photos: Callable[..., Path]) -> None:
    """Though Keras shuffles the numbers, a fit sees batch 0, 1, 2 of epoch 0, 1, …, and the next fit goes on."""
    with Recording(photos(per_class=4), 16, 5) as train, Recording(train.dataset, 16, 5, shuffle=False) as check:
        model = network()
        for _ in range(2):
            train.given = []
            before = train.epoch
            history = model.fit(train, validation_data=check, epochs=2, verbose=0).history
            assert np.isfinite(history["val_loss"]).all()
            assert train.epoch == before + 2
            trained = train.given[-6:]
            assert trained == [(before + epoch, index) for epoch in range(2) for index in range(3)]


def test_training_is_the_same_again_and_after_a_resume(make: Make) -> None:
    """Two fits of the same seeds end with the same weights, and so does one in two parts with ``epoch`` set."""

    def trained(*parts: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(1)
        model, done = network(), 0
        for epochs in parts:
            generator = make(augmentation="light")
            generator.epoch = done
            model.fit(generator, epochs=epochs, verbose=0)
            keras.utils.set_random_seed(done)  # Keras's own shuffling has no say
            done += epochs
        weights: list[np.ndarray] = model.get_weights()
        return weights

    whole = trained(4)
    assert same(whole, trained(4))
    assert same(whole, trained(1, 3))


def test_steps_of_an_epoch_go_through_all_batches(photos: Callable[..., Path]) -> None:
    """Where Keras's epochs are shorter than a pass, the pass goes on and is complete."""
    with Recording(photos(per_class=4), 16, 4) as train:
        network().fit(train, epochs=3, steps_per_epoch=1, verbose=0)
        assert train.epoch == 1
        assert train.given[-3:] == [(0, 0), (0, 1), (0, 2)]


def test_predictions_come_in_the_order_of_the_files(make: Make) -> None:
    """``predict`` on a generator that does not shuffle answers for ``filenames``, and ``evaluate`` scores its labels."""
    generator = make(shuffle=False, labels=None)
    mean = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()])
    expected = [pixels.load(path, 16).mean(axis=(0, 1)) for path in generator.filepaths]
    for _ in range(2):
        assert np.allclose(mean.predict(generator, verbose=0), expected, rtol=1e-4)
    model = network()
    assert model.evaluate(make(shuffle=False), verbose=0) == pytest.approx(
        model.evaluate(np.stack([pixels.load(p, 16) for p in generator.filepaths]), generator.classes, verbose=0),
        rel=1e-4,
    )


def test_what_old_programs_ask_for(make: Make, photos: Callable[..., Path]) -> None:
    """Counts, names and numbers of samples and classes, and ``next`` without end."""
    generator = make(shuffle=False)
    assert (len(generator), generator.samples, generator.n, generator.num_classes) == (3, 12, 12, 3)
    assert generator.class_indices == {"circle": 0, "square": 1, "triangle": 2}
    assert generator.filenames[:2] == [str(Path("circle", name)) for name in ("000.jpg", "001.jpg")]
    assert generator.image_shape == (16, 16, 3)
    sizes = [len(next(generator)[0]) for _ in range(7)]
    assert sizes == [5, 5, 2, 5, 5, 2, 5]
    assert generator.epoch == 2
    generator.reset()
    assert same(next(generator), generator[0])


@pytest.mark.parametrize("labels", ["integer", "one_hot", "images", None])
def test_labels_have_the_form_asked_for(make: Make, labels: str | None) -> None:
    """Numbers, one-hot rows, the images themselves, or nothing."""
    generator = make(shuffle=False, labels=labels)
    batch = generator[1]
    if labels is None:
        assert batch.shape == (5, 16, 16, 3)
    elif labels == "images":
        assert np.array_equal(*batch)
    else:
        numbers = np.array([1, 1, 1, 2, 2])[[0, 1, 2, 3, 4]] if generator.classes[5] == 1 else None
        assert numbers is not None
        assert np.array_equal(batch[1], numbers if labels == "integer" else np.eye(3)[numbers])


def test_targets_and_weights_follow_their_samples(make: Make) -> None:
    """Arrays given for the whole data set come out shuffled like the images, as triples."""
    generator = make(labels=np.arange(12) * 10.0, sample_weight=np.arange(12) + 0.5)
    for images, targets, weights in generator:
        assert np.array_equal(targets / 10 + 0.5, weights)
        for image, target in zip(images, targets, strict=True):
            assert np.array_equal(image, pixels.load(generator.filepaths[int(target) // 10], 16))


def test_pixels_are_divided_and_prepared_at_the_end(make: Make) -> None:
    """The function sees each image as float32 of 0 to 255 and the factor comes after it; grey is one channel of levels."""
    plain = make(shuffle=False)[0][0]
    assert np.allclose(make(shuffle=False, rescale=1 / 255)[0][0], plain / 255)
    flipped = make(shuffle=False, rescale=0.5, preprocessing_function=lambda image: image[:, ::-1])[0][0]
    assert np.allclose(flipped, plain[:, :, ::-1] / 2)
    grey = make(shuffle=False, channels=1)[0][0]
    assert grey.shape == (5, 16, 16, 1)
    assert np.allclose(grey[..., 0], plain @ np.array([0.299, 0.587, 0.114]), atol=0.51)
    assert np.array_equal(grey, np.rint(grey))


def test_mixing_needs_and_gives_shares_of_classes(make: Make) -> None:
    """With mixup a batch has soft targets, the same for the same batch; label numbers are refused at once."""
    mixing = Augmentation(mixup=1.0, cutmix=1.0)
    one, other = (make(augmentation=mixing, labels="one_hot") for _ in range(2))
    assert same(one[1], other[1])
    assert np.allclose(one[1][1].sum(axis=1), 1)
    assert ((one[0][1] > 0.01) & (one[0][1] < 0.99)).any()
    for labels in ("integer", "images", None):
        with pytest.raises(UsageError, match="H013"):
            make(augmentation=mixing, labels=labels)


def test_a_bad_file_gives_its_place_to_the_next_of_its_batch(make: Make) -> None:
    """Where samples are shuffled with labels: it is listed once, with its reason, and tried no more; shapes stay."""
    generator = make()
    order = generator._schedule.order(0)
    bad = generator.filepaths[order[1]]
    Path(bad).write_text("I am no image")
    generator = make(replace(generator.dataset, digests=read_folder(Path(bad).parents[1]).digests))
    with pytest.warns(UserWarning, match=r"1 file cannot be read \(left out\).*not an image"):
        images, labels = generator[0]
    assert images.shape == (5, 16, 16, 3)
    assert np.array_equal(images[1], pixels.load(generator.filepaths[order[2]], 16))
    assert np.array_equal(images[2], images[1])
    assert labels.tolist() == generator.classes[order[[0, 2, 2, 3, 4]]].tolist()
    assert generator.skipped == [(bad, "not an image in a supported format")]
    generator.epoch = 0
    assert np.flatnonzero(np.isnan(network().predict(generator, verbose=0)).any(axis=1)).tolist() == [1]
    Image.new("RGB", (20, 20), "red").save(bad, "JPEG")
    generator.epoch = 5
    assert all(not np.array_equal(image, pixels.load(bad, 16)) for image in np.concatenate([b for b, _ in generator]))
    assert len(generator.skipped) == 1


@pytest.mark.parametrize("labels", ["integer", None])
def test_a_bad_file_that_belongs_to_a_row_gives_nan(make: Make, labels: str | None) -> None:
    """Without shuffling, or without labels, rows stay with their files; predict answers NaN, evaluate leaves the row out."""
    generator = make(shuffle=labels is None, labels=labels)
    place = int(np.flatnonzero(generator._schedule.order(0) == 1)[0])
    Path(generator.filepaths[1]).write_text("I am no image")
    batch, row = divmod(place, 5)
    with pytest.warns(UserWarning, match="1 file cannot be read .rows of NaN"):
        images = generator[batch] if labels is None else generator[batch][0]
    assert np.isnan(images[row]).all()
    assert np.isnan(images).sum() == images[row].size
    if labels is None:
        return
    model = network()
    assert np.flatnonzero(np.isnan(model.predict(generator, verbose=0)).any(axis=1)).tolist() == [1]
    assert np.isfinite(model.evaluate(generator, verbose=0))
    assert np.isfinite(model.fit(generator, validation_data=generator, verbose=0).history["val_loss"]).all()
    assert np.isnan(generator[0][0][1]).all()


def test_a_file_that_cannot_be_had_for_a_while_is_tried_again(make: Make) -> None:
    """A file that is gone in one epoch and there again in the next is used then; its absence is on record."""
    generator = make(shuffle=False)
    path = Path(generator.filepaths[0])
    path.rename(path.with_suffix(".away"))
    with pytest.warns(UserWarning, match="no such file"):
        assert np.isnan(generator[0][0][0]).all()
    path.with_suffix(".away").rename(path)
    generator.epoch = 1
    assert np.array_equal(generator[0][0][0], pixels.load(path, 16))
    assert generator.skipped == [(str(path), "cannot be read: no such file or directory")]


def test_a_batch_without_a_good_file_takes_those_of_another(make: Make) -> None:
    """All five places are filled from the batch after it, labels included; with nothing good at all there is an error."""
    generator = make()
    order = generator._schedule.order(0)
    bad = [generator.filepaths[i] for i in order[:5]]
    for path in bad:
        Path(path).unlink()
    with pytest.warns(UserWarning, match="5 files of a batch cannot be read"):
        images, labels = generator[0]
    assert np.array_equal(images[0], pixels.load(generator.filepaths[order[5]], 16))
    assert np.array_equal(labels, generator.classes[order[5:10]])
    assert sorted(entry.path for entry in generator.skipped) == sorted(bad)
    for i in order[5:]:
        Path(generator.filepaths[i]).unlink()
    generator.epoch = 9
    with pytest.raises(UsageError, match="H014"), pytest.warns(UserWarning, match="cannot be read"):
        generator[0]


def test_nearest_makes_no_new_levels(tmp_path: Path) -> None:
    """Masks keep their values in every view, large ones and kept squares too."""
    levels = np.kron(np.random.default_rng(0).integers(0, 4, (5, 5)), np.ones((80, 80))).astype(np.uint8) * 60
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(levels).save(tmp_path / name / "mask.png")
    for cache in (False, tmp_path / "squares"):
        settings: dict[str, Any] = {"channels": 1, "augmentation": Augmentation(rotation=30, zoom=0.2), "workers": 1}
        with ImageGenerator(tmp_path, Geometry(16, filter="nearest"), 2, cache=cache, **settings) as generator:
            images = np.concatenate([images for _ in range(3) for images, _ in generator])
        assert set(np.unique(images)) <= {0, 60, 120, 180}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_workers_that_die_are_replaced_and_end_with_the_generator(make: Make) -> None:
    """Killed in the middle, they cost nothing but rows of the files in hand; closed, they are gone, and start again."""
    generator = make(shuffle=False)
    first = generator[0]
    workers = generator._source._pool._workers  # type: ignore[attr-defined]
    for worker in workers:
        if worker._process is not None:
            os.kill(worker._process.pid, signal.SIGKILL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # whether a worker had a file in hand is a matter of time
        assert [len(images) for images, _ in generator] == [5, 5, 2]
    processes = [worker._process for worker in workers]
    generator.close()
    assert all(process is None or process.poll() is not None for process in processes)
    assert same(generator[0], first)


def test_memory_is_flat(photos: Callable[..., Path]) -> None:
    """However slowly batches are taken, only those allowed ahead and the last three are held."""
    with ImageGenerator(photos(per_class=40), 16, 4, num_ahead=2, workers=2) as generator:
        for _ in range(3):
            for _ in generator:
                assert len(generator._source._begun) <= 2  # type: ignore[attr-defined]
                assert len(generator._source._recent) <= 3  # type: ignore[attr-defined]


def test_a_cache_makes_later_epochs_independent_of_the_files(make: Make, tmp_path: Path) -> None:
    """With ``cache`` the squares of the first epoch serve all later ones and other generators, with the same views."""
    generator = make(augmentation="light", cache=tmp_path / "squares", shuffle=False)
    first = [list(generator), list(generator)]
    for path in generator.filepaths:
        Path(path).unlink()
    again = make(generator.dataset, augmentation="light", cache=tmp_path / "squares", shuffle=False)
    for epoch in first:
        for one, other in zip(epoch, again, strict=True):
            assert same(one, other)
    assert again.skipped == []


def test_images_in_memory_are_batched_alike(make: Make) -> None:
    """A data set of arrays gives the pixels of each image, augmented afresh in each epoch."""
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    dataset = read_arrays(images, np.arange(12) % 3)
    with ImageGenerator(dataset, Geometry(16, 1.0), 5, shuffle=False) as plain:
        assert np.array_equal(np.concatenate([batch for batch, _ in plain]), images)
    with ImageGenerator(dataset, Geometry(16, 1.0), 5, "strong", shuffle=False) as generator:
        first, second = next(iter(generator)), generator[0]
        assert same(first, second)
        generator.epoch = 1
        assert not same(first, generator[0])


def test_splits_are_told_apart(photos: Callable[..., Path]) -> None:
    """Training is what is taken where nothing is said, and is the one that is shuffled; what is not there is refused."""
    folder = photos(splits={"train": 3, "test": 2})
    train, test = ImageGenerator(folder, 16), ImageGenerator(folder, 16, split="test")
    assert (train.samples, train.shuffle, test.samples, test.shuffle) == (9, True, 6, False)
    with pytest.raises(UsageError, match=r"H015[^\0]*the data set has test, train"):
        ImageGenerator(folder, 16, split="validation")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"labels": "words"}, "H016"),
        ({"labels": "binary"}, "H016"),
        ({"labels": np.zeros(5)}, "H016"),
        ({"augmentation": "heavy"}, "H011"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(photos: Callable[..., Path], settings: dict[str, Any], code: str) -> None:
    """Each has its own error."""
    with pytest.raises(UsageError, match=code):
        ImageGenerator(photos(per_class=4), 16, **settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataset", np.zeros((4, 8, 8, 3), np.uint8)),
        ("dataset", None),
        ("size", "32"),
        ("size", 32.5),
        ("size", 0),
        ("size", (16, 16)),
        ("batch_size", 0),
        ("batch_size", True),
        ("shuffle", "no"),
        ("seed", -1),
        ("seed", None),
        ("labels", [0, 1, 0, 1]),
        ("labels", np.array(3)),
        ("sample_weight", "heavy"),
        ("sample_weight", 0.5),
        ("rescale", "a"),
        ("rescale", (1, 2)),
        ("rescale", float("nan")),
        ("preprocessing_function", "resnet"),
        ("channels", 4),
        ("workers", 0),
        ("num_ahead", "two"),
        ("cache", 1),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_at_once(photos: Callable[..., Path], name: str, value: object) -> None:
    """Not at the first batch: in three lines, of which the first names the argument."""
    with pytest.raises(UsageError, match=rf"H018.*\n  received   {name}=.*\n  expected   \S.*\n  do this    \S"):
        ImageGenerator(**({"dataset": photos(per_class=4), "size": 16} | {name: value}))


def test_numbers_of_numpy_are_numbers(make: Make) -> None:
    """Those that come out of a calculation are taken for what they are, as far as the decoding processes."""
    one, other = np.int64(1), make(shuffle=True, augmentation="light", seed=1, rescale=0.5)
    settings: dict[str, Any] = {"augmentation": "light", "seed": one, "rescale": np.float32(0.5), "workers": one}
    with ImageGenerator(other.dataset, np.int64(16), np.int64(5), shuffle=np.True_, num_ahead=one, **settings) as generator:
        generator.epoch = other.epoch = one
        assert same(generator[0], other[0])


def test_another_process_is_sent_away(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked copy would share the workers' pipes: it gets an error and not a hang."""
    generator = make()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(UsageError, match="H019"):
        generator[0]


def test_passes_follow_keras_through_every_order_of_calls() -> None:
    """A look that is given up, a pass in pieces and a pass by several threads each end where they should."""
    passes = BatchOrder(3)
    assert passes.asked(2, is_ordered=True) == (0, 2)  # outside a pass a number is what it says
    passes.begin()
    assert passes.asked(2, is_ordered=True) == (0, 0)
    passes.start_over()  # of no meaning in the middle
    assert passes.asked(0, is_ordered=True) == (0, 1)
    passes.end()
    assert passes.epoch == 0
    passes.begin()
    assert passes.asked(1, is_ordered=True) == (0, 2)
    passes.end()
    assert passes.epoch == 1
    passes.begin()
    assert passes.asked(1, is_ordered=True) == (1, 0)
    passes.end()
    passes.begin()
    passes.start_over()
    assert [passes.asked(i, is_ordered=True) for i in (2, 0, 1)] == [(1, 0), (1, 1), (1, 2)]
    passes.end()
    passes.end()
    passes.begin()
    assert [passes.asked(i, is_ordered=False) for i in (2, 0, 1)] == [(2, 2), (2, 0), (2, 1)]
    passes.end()
    assert passes.epoch == 3
