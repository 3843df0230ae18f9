"""The recipes of the models that ship, on a handful of rendered pictures: the code that made them
runs, and the cards say what the files say.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import card
import compare_unknown
import photos
import priority_stop
import ship
import signs
from common import NetworkFacts, recipe_config
from signwise.errors import SignwiseError
from signwise.inference.predictor import Predictor
from signwise.model_file.read import SHIPPED_MODELS, read_model, shipped_models
from signwise.synthetic import GTSRB_DESIGNS, render_signs
from signwise.training.backbone import BACKBONE
from signwise.training.checkpoint import load_facts, load_tensors
from tracks import track_sets

NUMBERS, TRACKS, FRAMES = (12, 14, 17), 5, 2
SMALL = ["--epochs", "1", "--signs-each", "1", "--negatives", "12", "--held-out-negatives", "4"]


@pytest.fixture(scope="module")
def gtsrb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as GTSRB's training set: three classes of five tracks."""
    root = tmp_path_factory.mktemp("gtsrb")
    for number in NUMBERS:
        folder = root / f"{number:05d}"
        folder.mkdir()
        drawn = render_signs(GTSRB_DESIGNS[number], TRACKS * FRAMES, 40, 5, FRAMES, workers=1)
        for index, pixels in enumerate(drawn):
            track, frame = divmod(index, FRAMES)
            Image.fromarray(pixels).save(folder / f"{track:05d}_{frame:05d}.png")
    return root


@pytest.fixture(scope="module")
def networks(gtsrb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which both recipes left their networks: signs/ and priority-stop/."""
    out = tmp_path_factory.mktemp("networks")
    common = [str(gtsrb), "--work", str(out / "work"), *SMALL]
    signs.main([*common, "--out", str(out / "signs")])
    teacher = str(out / "signs" / "network.safetensors")
    small = ["--teacher", teacher, "--widths", "8", "8"]
    priority_stop.main([*common, "--out", str(out / "priority-stop"), *small])
    return out


def test_photos_are_read_with_their_tracks_sets(gtsrb: Path) -> None:
    read = photos.read_photos(gtsrb, 16)
    assert read.pixels.shape == (30, 16, 16, 3)
    assert np.unique(read.labels).tolist() == list(NUMBERS)
    pairs = zip(read.labels.tolist(), read.tracks.tolist(), strict=True)
    assert set(read.sets.tolist()) == {"train", "val", "held_out"}
    assert read.sets.tolist() == [track_sets(pairs_of(read))[pair] for pair in pairs]
    codes = photos.priority_stop_labels(read)
    assert [codes[read.labels == number][0] for number in NUMBERS] == [0, 1, 2]


def pairs_of(read: photos.Photos) -> list[tuple[int, int]]:
    return list(zip(read.labels.tolist(), read.tracks.tolist(), strict=True))


def test_a_folder_of_other_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignwiseError, match="no GTSRB class folders"):
        photos.read_photos(tmp_path, 16)


def test_the_pools_of_a_recipe(gtsrb: Path, tmp_path: Path) -> None:
    counts = photos.Counts(signs=1, negatives=6, held_out=3)
    pictures = photos.load_pictures(gtsrb, 16, tmp_path, counts)
    again = photos.load_pictures(tmp_path / "not there any more", 16, tmp_path, counts)
    assert (again.photos.pixels == pictures.photos.pixels).all()
    rendered = photos.CLASSES + 2 * (photos.FAVOUR - 1)
    assert (pictures.photos.sets == "rendered").sum() == rendered
    labels = pictures.photos.labels
    signs_data = photos.training_data(pictures, labels, photos.CLASSES, ["train"])
    assert [len(signs_data.train), len(signs_data.val)] == [18 + rendered, 6]
    assert [len(signs_data.rendered), len(signs_data.held_out)] == [6, 3]
    codes = photos.priority_stop_labels(pictures.photos)
    data = photos.training_data(pictures, codes, 2, ["train", "val"], repeats=3)
    known = 16 + 2 * photos.FAVOUR
    assert len(data.train) == 24 + rendered + 2 * known
    assert set(data.val.labels.tolist()) == {0, 1}
    assert data.held_out.labels.tolist() == [2, 2]  # the third class's track


def test_the_recipes_leave_networks_that_say_how_they_were_made(networks: Path) -> None:
    facts = load_facts(networks / "signs" / "network.safetensors", NetworkFacts)
    assert (facts.size, facts.epochs, facts.sets) == (64, 1, ("train", "val"))
    file = networks / "priority-stop" / "network.safetensors"
    assert load_facts(file, NetworkFacts).widths == (8, 8)
    network = priority_stop.small_network((8, 8))
    network.load_state_dict(load_tensors(file))
    assert network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 3)


def test_a_student_sees_noise_in_training_alone() -> None:
    network = priority_stop.Student(torch.nn.Identity(), recipe_config(1, 32).augmentation)
    grey = torch.zeros(8, 3, 64, 64)
    assert network.eval()(grey).abs().max() == 0
    assert network.train()(grey).abs().max() > 0


def test_a_taught_loss_is_least_where_the_teacher_is_followed() -> None:
    torch.manual_seed(0)
    told, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    loss = priority_stop.taught_loss(lambda _: told, 2, torch.device("cpu"))
    pictures = torch.zeros(6, 3, 4, 4)
    assert loss(pictures, told, labels) < loss(pictures, -told, labels)


def test_networks_ship_with_records_and_cards(
    gtsrb: Path, networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "NEGATIVES", 10)
    files = [str(networks / name / "network.safetensors") for name in ("signs", "priority-stop")]
    asked = [str(gtsrb), "--signs", files[0], "--priority-stop", files[1]]
    ship.main([*asked, "--machine", "one abacus", "--models", str(tmp_path)])
    for shipped, n in ((ship.SIGNS, 6), (ship.PRIORITY_AND_STOP, 4)):
        record = read_model(tmp_path / shipped.name).record
        held = record.figures.held_out
        assert held is not None
        assert held.unknown is not None
        assert (held.n, held.signs) == (n, n // FRAMES)
        assert record.classes == shipped.classes
        text = (tmp_path / shipped.name / "README.md").read_text(encoding="utf-8")
        assert "1 epochs" in text
        assert "one abacus" in text
        assert card.with_figures(text, shipped.name, record) == text
        assert max(map(len, text.splitlines())) <= 100
    facts = load_facts(tmp_path / "signs" / "backbone.safetensors", NetworkFacts)
    assert (facts.size, facts.machine) == (64, "one abacus")


def test_measuring_changes_the_record_and_not_the_graph(
    gtsrb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "NEGATIVES", 10)
    for name, path in shipped_models().items():
        folder = tmp_path / name
        folder.mkdir()
        for file in ("model.onnx", "README.md"):
            (folder / file).write_bytes((path.parent / file).read_bytes())
    ship.main([str(gtsrb), "--measure", "--models", str(tmp_path)])
    for name, path in shipped_models().items():
        new, old = (onnx.load(file) for file in (tmp_path / name / "model.onnx", path))
        assert new.graph.SerializeToString() == old.graph.SerializeToString()
        record, before = (Predictor(model).record for model in (tmp_path / name, path))
        assert record.figures.held_out is not None
        assert record.figures.held_out.n < 7
        assert (record.threshold, record.data_sha256) == (before.threshold, before.data_sha256)
        assert "of 6 pictures" in (tmp_path / name / "README.md").read_text() or name != "signs"


@pytest.mark.parametrize("shipped", [ship.SIGNS, ship.PRIORITY_AND_STOP], ids=lambda s: s.name)
def test_the_cards_that_ship_say_what_the_files_say(shipped: ship.Shipped) -> None:
    folder = SHIPPED_MODELS / shipped.name
    record = read_model(folder).record
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert card.with_figures(text, shipped.name, record) == text
    assert record.classes == shipped.classes
    if shipped is ship.SIGNS:
        assert ship.SIGNS.card(record, load_facts(BACKBONE, NetworkFacts)) == text


def test_formulations_are_compared(gtsrb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    methods = ["plain, energy", "plain, top probability", "one against rest"]
    compare_unknown.main([str(gtsrb), "--seeds", "1", "--epochs", "1", "--methods", *methods])
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(document["mean"]) == [
        *methods,
        "one against rest: nearest features",
        "one against rest: score and features",
    ]
    assert all(0 <= row["auroc"] <= 1 for row in document["mean"].values())


@pytest.mark.parametrize("name", compare_unknown.METHODS)
def test_every_formulation_has_a_gradient_and_a_score(name: str) -> None:
    method = compare_unknown.METHODS[name]
    torch.manual_seed(0)
    logits = torch.randn(9, 3, requires_grad=True)
    loss = method.loss(torch.zeros(9, 3, 4, 4), logits, torch.arange(9) % 3)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0
    scores = method.score(logits.detach().numpy())
    assert scores.shape == (9,)
