"""Other formats of a model: the certificate of each, and what is refused."""

import errno
import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

import signwise
from console import failure
from serving import predict, running
from signwise.cli import verbs
from signwise.cli.main import main
from signwise.errors import SignwiseError
from signwise.export.certificate import Comparison, check_bounds, compare
from signwise.export.export import CERTIFICATE, ExportResult
from signwise.export.formats import FORMATS, Format, Source
from signwise.export.torch_program import read_program
from signwise.folders import HOLDER, LOCK, MARKER
from signwise.inference.predictor import Predictor
from signwise.metrics.rates import wilson_interval
from signwise.model_file.read import ModelFile, read_model
from signwise.model_file.record import ModelRecord
from signwise.training.restore import load_graph
from toy import toy_folder, toy_model, toy_picture

verb = importlib.import_module("signwise.export.export")
torch_program = importlib.import_module("signwise.export.torch_program")
Exported = Callable[[str], ExportResult]
RUN_BY_SIGNWISE = [name for name in FORMATS if name != "torch"]
FILES = {
    "onnx-int8": {"model.onnx"},
    "openvino": {"model.xml", "model.bin"},
    "torch": {"model.pt2"},
    "triton": {"run/config.pbtxt", "run/labels.txt", "run/1/model.onnx"},
}


@pytest.fixture(scope="session")
def exported(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The run in a format, exported once. Leave it as it is."""
    root = tmp_path_factory.mktemp("exported")
    done: dict[str, ExportResult] = {}

    def export(name: str) -> ExportResult:
        if name not in done:
            done[name] = signwise.export(trained_run, name, root / name)
        return done[name]

    return export


def written(folder: Path) -> set[str]:
    """The files in the folder, its marker left out."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)
    return {path.relative_to(folder).as_posix() for path in found}


def test_the_verb_is_public_whatever_was_imported_of_its_room() -> None:
    assert "signwise.export.formats" in sys.modules
    assert signwise.export is verb.export


def test_the_command_line_knows_every_format() -> None:
    assert set(get_args(get_type_hints(verbs.export)["format"])) == set(FORMATS) == set(FILES)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_decides_as_model_onnx(name: str, exported: Exported, prepared: Path) -> None:
    result = exported(name)
    pictures = int((signwise.load_data(prepared).table["split"] == "val").sum())
    assert result.counts == {"pictures": pictures, "decisions_differ": 0}
    assert written(result.out) == FILES[name] | {CERTIFICATE} == set(result.files)
    found = json.loads((result.out / CERTIFICATE).read_text(encoding="utf-8"))
    assert found["format"] == name
    assert (found["pictures"], found["decisions_differ"]) == (pictures, 0)
    assert found["differing_share_ci95"] == list(wilson_interval(0, pictures) or ())
    assert 0 <= found["largest_difference"] < (0.2 if name == "onnx-int8" else 1e-4)
    assert found["images_per_second"] > 0 < found["images_per_second_of_model_onnx"]
    assert set(found["files"]) == FILES[name]
    assert found["cpu"]
    assert found["versions"]["signwise"] == signwise.__version__
    assert str(prepared.parent) not in json.dumps(found), "paths are nobody else's business"


@pytest.mark.parametrize("name", RUN_BY_SIGNWISE)
def test_predict_takes_what_was_exported(
    name: str,
    exported: Exported,
    trained_run: Path,
    prepared: Path,
) -> None:
    table = signwise.load_data(prepared).table
    paths = [str(prepared.parent / "photos" / path) for path in table["path"][:20]]
    wanted = signwise.predict(trained_run, paths).rows
    got = signwise.predict(exported(name).out, paths).rows
    assert [row["label"] for row in got] == [row["label"] for row in wanted]
    assert Predictor(exported(name).out).record == Predictor(trained_run).record


@pytest.mark.filterwarnings("ignore:.*were chosen on:UserWarning")
@pytest.mark.parametrize("name", ["openvino", "triton"])
@pytest.mark.filterwarnings("ignore:Weights, temperature and threshold were chosen on")
def test_evaluate_takes_what_was_exported(
    name: str,
    exported: Exported,
    trained_run: Path,
    prepared: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(SignwiseError, match="say with `out`"):
        signwise.evaluate(exported(name).out, prepared)
    found, wanted = (
        signwise.evaluate(model, prepared, split="val", out=tmp_path / str(number)).evaluation
        for number, model in enumerate((exported(name).out, trained_run))
    )
    assert found.confusion_matrix == wanted.confusion_matrix
    assert found.selective.accepted == wanted.selective.accepted


@pytest.mark.parametrize("name", RUN_BY_SIGNWISE)
def test_serve_takes_what_was_exported(
    name: str, exported: Exported, trained_run: Path, prepared: Path
) -> None:
    table = signwise.load_data(prepared).table
    paths = [prepared.parent / "photos" / path for path in table["path"][:20]]
    wanted = signwise.predict(trained_run, paths).rows
    with running(exported(name).out) as service:
        # A model repository is called as the folder in it.
        assert service.models == ("run" if name == "triton" else name,)
        found = predict(service, *((path.name, path.read_bytes()) for path in paths)).json()
    assert [row["label"] for row in found["predictions"]] == [row["label"] for row in wanted]


def test_predictions_of_many_threads_are_openvinos_own(
    exported: Exported,
) -> None:
    predictor = Predictor(exported("openvino").out)
    side = predictor.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (64, 1, side, side, 3), dtype=np.uint8)
    alone = [predictor.scores(one)[0] for one in pixels]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: predictor.scores(one)[0], pixels))
    assert np.allclose(alone, together, atol=1e-6)


def test_a_torch_program_names_no_file_of_this_machine_and_is_not_opened(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported("torch").out / "model.pt2"
    content = path.read_bytes()
    assert b"signwise/" not in content
    assert b"torchvision" not in content
    program = read_program(path)
    alone = np.zeros((1, 16, 16, 3), np.uint8)
    assert program.scores(alone)[0].shape == (1, 2)
    for model in (path, path.parent):
        assert "PyTorch would run code" in failure(capsys, "predict", model, "x.png")


def test_int8_has_int8_weights_by_channel(
    exported: Exported,
) -> None:
    graph = onnx.load(exported("onnx-int8").out / "model.onnx").graph
    weights = {len(t.dims): t for t in graph.initializer if t.data_type == 3 and t.dims}
    assert set(weights) >= {2, 4}  # the head's and the convolution's
    scales = [t for t in graph.initializer if "scale" in t.name and t.dims == [8]]
    assert scales, "one scale a channel of the convolution"


def test_a_model_repository_says_what_the_model_takes(
    exported: Exported, trained_run: Path
) -> None:
    folder = exported("triton").out / "run"
    config = (folder / "config.pbtxt").read_text(encoding="utf-8")
    for line in (
        'name: "run"',
        'backend: "onnxruntime"',
        'name: "images" data_type: TYPE_UINT8 dims: [ 16, 16, 3 ]',
        'name: "probabilities" data_type: TYPE_FP32 dims: [ 2 ]',
        'name: "known" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] }',
        f'string_value: "{Predictor(trained_run).threshold!r}"',
        '{ key: "crop" value { string_value: "none" } }',
    ):
        assert line in config
    assert (folder / "labels.txt").read_text(encoding="utf-8") == "priority\nstop\n"
    served, own = folder / "1" / "model.onnx", trained_run / "model.onnx"
    assert served.read_bytes() == own.read_bytes()


# Exports that are wrong on purpose.


def swapped_channels(model: ModelFile) -> ModelFile:
    """Blue where red should be, as OpenCV reads pictures."""
    return _before(model, [helper.make_node("Gather", ["images", "bgr"], ["given"], axis=3)])


def another_resize(model: ModelFile) -> ModelFile:
    """Every other pixel twice, as without antialiasing."""
    return _before(model, [helper.make_node("Gather", ["images", "coarse"], ["given"], axis=2)])


def _before(model: ModelFile, nodes: list[onnx.NodeProto]) -> ModelFile:
    """The model with nodes between the pictures and what reads them."""
    proto = onnx.load_model_from_string(model.content)
    for node in proto.graph.node:
        node.input[:] = ["given" if name == "images" else name for name in node.input]
    side = model.record.image_size
    coarse = np.arange(side) // 2 * 2
    for name, values in (("bgr", np.array([2, 1, 0])), ("coarse", coarse)):
        proto.graph.initializer.append(numpy_helper.from_array(values, name))
    for node in reversed(nodes):
        proto.graph.node.insert(0, node)
    shape = [None, side, side, 3]
    given = helper.make_tensor_value_info("given", TensorProto.UINT8, shape)
    proto.graph.value_info.append(given)
    return replace(model, content=proto.SerializeToString())


def told(**changes: object) -> Callable[[ModelFile], ModelFile]:
    """Another record."""

    def change(model: ModelFile) -> ModelFile:
        record = replace(model.record, **changes)  # type: ignore[arg-type]
        text = json.dumps(record.to_json())
        proto = onnx.load_model_from_string(model.content)
        helper.set_model_props(proto, {"signwise": text})
        content = proto.SerializeToString()
        return replace(model, record=record, metadata=text, content=content)

    return change


class _WrongGraph(nn.Module):
    """A graph that sees other pixels: rows of the pictures doubled, or channels in reverse."""

    def __init__(self, inner: nn.Module, *, swapped: bool) -> None:
        super().__init__()
        self.inner, self.swapped = inner, swapped

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        coarse = images[:, :, ::2].repeat_interleave(2, dim=2)
        answers: tuple[Tensor, Tensor] = self.inner(images.flip(3) if self.swapped else coarse)
        return answers


DIFFERENT = "decisions differ|an answer differs"
FAULTS = {
    "a swapped channel": (swapped_channels, DIFFERENT),
    "another resize": (another_resize, DIFFERENT),
    "another rule of resizing": (told(resize="nearest"), "another resize"),
    "a wrong threshold": (told(threshold=0.987), "another threshold"),
    "classes in another order": (told(classes=("stop", "priority")), "another classes"),
}
WRONG = [
    (name, fault)
    for name in FORMATS
    for fault in FAULTS
    # In int8 decisions alone are bounded, and a network of a few neurons sees the colour alone.
    if (name, fault) != ("onnx-int8", "another resize")
]


@pytest.mark.parametrize(("name", "fault"), WRONG)
def test_a_wrong_export_is_refused_and_nothing_written(
    name: str, fault: str, trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, said = FAULTS[fault]
    true = FORMATS[name]

    def write(source: Source, out: Path) -> Path:
        return true.write(replace(source, model=change(source.model)), out)

    def load_wrong(run: Path, record: ModelRecord) -> nn.Module:
        return _WrongGraph(load_graph(run, record), swapped=change is swapped_channels).eval()

    if name == "torch" and said == DIFFERENT:  # it is made of the weights, and not of model.onnx
        monkeypatch.setattr(torch_program, "load_graph", load_wrong)
    else:
        wrong = replace(true, write=write)
        monkeypatch.setattr(verb, "FORMATS", {**FORMATS, name: wrong})
    with pytest.raises(SignwiseError, match=said):
        signwise.export(trained_run, name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_refused_export_leaves_the_earlier_one_whole(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    signwise.export(trained_run, "triton", out)
    before = {name: (out / name).read_bytes() for name in written(out)}
    wrong = replace(FORMATS["openvino"], largest_difference=-1.0)
    monkeypatch.setattr(verb, "FORMATS", {**FORMATS, "openvino": wrong})
    with pytest.raises(SignwiseError, match="an answer differs"):
        signwise.export(trained_run, "openvino", out)
    assert {name: (out / name).read_bytes() for name in written(out)} == before
    monkeypatch.undo()
    signwise.export(trained_run, "openvino", out)
    assert written(out) == FILES["openvino"] | {CERTIFICATE}


# Comparing.


def test_a_model_decides_as_itself(tmp_path: Path) -> None:
    predictor = Predictor(toy_model(tmp_path / "model.onnx"))
    found = compare(predictor, predictor, _pictures())
    assert (found.pictures, found.decisions_differ) == (30, 0)
    assert (found.largest_difference, found.largest_difference_of_known) == (0, 0)


def test_another_class_and_another_acceptance_are_other_decisions(tmp_path: Path) -> None:
    reference = Predictor(toy_model(tmp_path / "one.onnx", known="colour", threshold=0.5))
    other = Predictor(tmp_path / "one.onnx", threshold=0.0)
    found = compare(reference, other, _pictures())
    # Same probabilities: only the grey pictures, unknown to the one, get another label.
    assert (found.decisions_differ, found.largest_difference) == (10, 0)
    one = Predictor(toy_model(tmp_path / "two.onnx"))
    flat = Predictor(toy_model(tmp_path / "three.onnx", sharpness=-40))
    assert compare(one, flat, _pictures()[:20]).decisions_differ == 20


def test_a_certificate_needs_pictures_and_numbers(tmp_path: Path) -> None:
    predictor = Predictor(toy_model(tmp_path / "model.onnx"))
    with pytest.raises(SignwiseError, match="needs pictures"):
        compare(predictor, predictor, _pictures()[:0])
    broken = Predictor(toy_model(tmp_path / "broken.onnx", sharpness=float("nan")))
    with pytest.raises(SignwiseError, match="not a number"):
        compare(predictor, broken, _pictures())


@pytest.mark.parametrize(
    ("pictures", "differ", "passes"), [(1000, 2, True), (1000, 3, False), (499, 1, False)]
)
def test_int8_may_change_two_decisions_in_a_thousand(
    pictures: int, differ: int, passes: bool
) -> None:
    found = Comparison(
        pictures=pictures,
        decisions_differ=differ,
        differing_share_ci95=(0, 1),
        largest_difference=0.5,
        largest_difference_of_known=0.5,
        images_per_second=1,
        images_per_second_of_model_onnx=1,
    )
    if passes:
        check_bounds("onnx-int8", FORMATS["onnx-int8"], found)
    else:
        with pytest.raises(SignwiseError, match=r"decisions differ.*not written"):
            check_bounds("onnx-int8", FORMATS["onnx-int8"], found)


@pytest.mark.parametrize("format", [FORMATS[name] for name in FORMATS if name != "onnx-int8"])
def test_float_formats_may_change_none(format: Format) -> None:
    assert format.differing_share == 0
    assert format.largest_difference == 1e-3


def _pictures() -> np.ndarray:
    """Ten of each class, then ten of none: (30, 32, 32, 3)."""
    rng = np.random.default_rng(0)
    shown = [index for index in (0, 1, None) for _ in range(10)]
    return np.stack([toy_picture(index, rng, 32) for index in shown])


# What is refused before.


def test_what_can_not_be_exported(
    trained_run: Path,
    prepared: Path,
    tmp_path: Path,
    exported: Exported,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((trained_run / "model.onnx").read_bytes())
    out, own = tmp_path / "out", ("--data", prepared)

    def said(model: object, name: str, *rest: object) -> str:
        text = failure(capsys, "export", model, "--format", name, "--out", out, *rest)
        assert not out.exists()
        return text

    assert "is of no run" in said(alone, "triton")
    assert "model.safetensors" in said(alone, "torch", *own)
    assert "is an export already" in said(exported("openvino").out, "triton", *own)
    assert "is in int8 already" in said(exported("onnx-int8").out, "onnx-int8", *own)
    assert "prepared" in said(alone, "triton", "--data", prepared.parent / "photos")
    other = toy_folder(tmp_path / "photos", ("dog", "cat"))
    signwise.prepare(other, tmp_path / "other", image_size=16)
    assert "does not know cat, dog" in said(trained_run, "triton", "--data", tmp_path / "other")
    with pytest.raises(SignwiseError, match="`format` must be one of onnx-int8"):
        signwise.export(trained_run, "coreml", out)


def test_a_model_that_is_no_run_is_exported_with_its_data(
    trained_run: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "two signs.onnx"
    alone.write_bytes((trained_run / "model.onnx").read_bytes())
    command = ["export", str(alone), "--format", "triton", "--out", str(tmp_path / "out")]
    assert main([*command, "--data", str(prepared)]) == 0
    shown = capsys.readouterr().out
    assert "0 decisions differ" in shown
    assert "two_signs/1/model.onnx" in shown
    assert main([*command, "--data", str(prepared), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["certificate"]["decisions_differ"] == 0


def test_data_that_has_moved_is_named(trained_run: Path, prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["data"] = str(tmp_path / "gone")
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(SignwiseError, match=r"gone, which .* is gone: give it as `data`"):
        signwise.export(run, "triton", tmp_path / "out")
    assert signwise.export(run, "triton", tmp_path / "out", data=prepared).problems == []


# What OpenVINO reads.


def test_an_openvino_model_that_is_damaged_is_refused(exported: Exported, tmp_path: Path) -> None:
    whole = exported("openvino").out
    content = (whole / "model.xml").read_text(encoding="utf-8")
    xml, weights = tmp_path / "model.xml", tmp_path / "model.bin"
    xml.write_text(content, encoding="utf-8")
    with pytest.raises(SignwiseError, match=r"model.bin can't be read"):
        Predictor(tmp_path)
    weights.write_bytes(b"")
    with pytest.raises(SignwiseError, match="can't be run"):
        Predictor(tmp_path)
    weights.write_bytes((whole / "model.bin").read_bytes())
    assert Predictor(xml).record == Predictor(whole).record
    for damaged, said in (
        (content[:-100], "is not a model, or is cut off"),
        (content.replace("<signwise", "<other"), "no model that signwise wrote"),
        (content.replace("&quot;format&quot;: 1", "&quot;format&quot;: 99"), "newer format 99"),
    ):
        xml.write_text(damaged, encoding="utf-8")
        with pytest.raises(SignwiseError, match=said):
            read_model(tmp_path)


def test_openvino_loads_without_its_telemetry(tmp_path: Path) -> None:
    code = (
        "import sys, signwise.runtime as r; r.openvino().Core();"
        "assert r.openvino() is sys.modules['openvino'];"
        "print([name for name in sys.modules if 'openvino_telemetry' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]", done.stderr
    assert not list(tmp_path.iterdir())


def test_an_export_is_held_until_it_is_whole_and_a_full_disk_is_named(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    signwise.export(trained_run, "triton", out)
    held: list[str] = []

    def full(read: Path, written: Path) -> None:
        held.extend(name for name in (LOCK, HOLDER) if (out / name).is_file())
        raise OSError(errno.ENOSPC, "No space left on device", str(read), None, str(written))

    monkeypatch.setattr("shutil.move", full)
    with pytest.raises(SignwiseError, match=rf"^{re.escape(str(out))}.*: No space left on device"):
        signwise.export(trained_run, "triton", out)
    assert held == [LOCK, HOLDER]
