"""docs/deploy.md: its snippets are files that run here, and answer as signwise does."""

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

import classify
import signwise
import vectors
from signwise.config import Crop
from signwise.data.images import read_image
from signwise.inference.predictor import Predictor

ROOT = Path(__file__).parents[1]
SNIPPETS = ROOT / "examples" / "deploy"
WINDOWS = sys.platform == "win32"
SIZES = ((1, 1), (9, 7), (16, 16), (17, 40), (40, 17), (150, 40), (61, 203), (301, 203))
"""Widths and heights: enlarged, reduced, tall, wide."""
CROPS: tuple[Crop, ...] = get_args(Crop)


@pytest.fixture(scope="module")
def node() -> str:
    """The program node, where the packages of the snippets are installed, too."""
    found = shutil.which("node")
    if found is None or not (SNIPPETS / "node_modules").is_dir():
        pytest.skip(
            "no node, or not its packages: npm install --ignore-scripts --prefix examples/deploy"
        )
    return found


@pytest.fixture(scope="module")
def validation(trained_run: Path, prepared: Path) -> dict[str, Any]:
    """The validation pictures of a run, and what signwise answers: path to row."""
    data = signwise.load_data(prepared)
    paths = [str(data.root / path) for path in data.table["path"][data.table["split"] == "val"]]
    rows = signwise.predict(trained_run, paths).rows
    return dict(zip(paths, rows, strict=True))


def check_answers(lines: str, validation: dict[str, Any]) -> None:
    """Every picture has its label, and about the same `known`."""
    answers = [json.loads(line) for line in lines.splitlines()]
    assert [answer["path"] for answer in answers] == list(validation)
    for answer in answers:
        row = validation[answer["path"]]
        assert answer["label"] == row["label"]
        assert answer["known"] == pytest.approx(row["known"], abs=1e-4)


def test_the_python_snippet_decides_as_signwise(
    trained_run: Path, validation: dict[str, Any]
) -> None:
    snippet = SNIPPETS / "classify.py"
    assert "import signwise" not in snippet.read_text(encoding="utf-8")
    command = [sys.executable, str(snippet), str(trained_run / "model.onnx"), *validation]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    check_answers(done.stdout, validation)


def test_the_python_snippet_prepares_pictures_as_signwise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, (width, height) in enumerate(SIZES):
        for mode, channels in (("RGB", 3), ("RGBA", 4)):
            pixels = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
            for suffix in ("png", "jpg") if mode == "RGB" else ("png",):
                path = tmp_path / f"{number}{mode}.{suffix}"
                Image.fromarray(pixels).save(path)
                for crop in CROPS:
                    wanted = read_image(path, 16, crop=crop)
                    found = classify.preprocess(str(path), 16, crop)
                    assert np.array_equal(found, wanted)


def test_the_javascript_snippet_decides_as_signwise(
    node: str, trained_run: Path, validation: dict[str, Any], tmp_path: Path
) -> None:
    record = tmp_path / "record.json"
    stored = Predictor(trained_run).metadata
    wanted = ("classes", "image_size", "threshold")
    record.write_text(json.dumps({name: stored[name] for name in wanted}), encoding="utf-8")
    command = [node, str(SNIPPETS / "run.mjs"), str(trained_run / "model.onnx"), str(record)]
    done = subprocess.run(
        [*command, *validation], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    check_answers(done.stdout, validation)


JAVASCRIPT = """
import fs from "node:fs";
import { preprocess } from "SNIPPET";
const [file, crop, ...sides] = process.argv.slice(2);
process.stdout.write(preprocess(fs.readFileSync(file), ...sides.map(Number), crop));
"""


def test_the_javascript_snippet_prepares_pictures_as_signwise(node: str, tmp_path: Path) -> None:
    script = tmp_path / "prepare.mjs"
    snippet = (SNIPPETS / "classify.mjs").as_uri()
    script.write_text(JAVASCRIPT.replace("SNIPPET", snippet), encoding="utf-8")
    rng = np.random.default_rng(0)
    for width, height in SIZES:
        rgba = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
        file = tmp_path / "pixels"
        file.write_bytes(rgba.tobytes())
        for crop in CROPS:
            command = [node, str(script), str(file), crop, str(width), str(height), "16"]
            done = subprocess.run(command, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            left = (width, height) if crop == "none" else (min(width, height),) * 2
            check_pixels(done.stdout, read_image(rgba, 16, crop=crop), *left)


@pytest.mark.skipif(WINDOWS, reason="another operating system: no c++")
def test_the_cpp_snippet_prepares_pictures_as_signwise(tmp_path: Path) -> None:
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no c++: apt-get install g++")
    source, program = tmp_path / "prepare.cpp", tmp_path / "prepare"
    source.write_text(
        f'#include "{SNIPPETS / "preprocess.hpp"}"\n'
        "#include <cstdio>\n#include <cstdlib>\n"
        "int main(int, char** a) {\n"
        "  Picture in{{}, std::atoi(a[1]), std::atoi(a[2])};\n"
        "  in.rgb.resize(size_t(in.width) * in.height * 3);\n"
        "  if (!std::fread(in.rgb.data(), in.rgb.size(), 1, stdin)) return 2;\n"
        "  if (a[3][0] == 'c') in = center_square(in);\n"
        "  Picture out = preprocess(in, 16);\n"
        "  std::fwrite(out.rgb.data(), out.rgb.size(), 1, stdout);\n"
        "}\n",
        encoding="utf-8",
    )
    subprocess.run([compiler, "-std=c++17", "-Wall", "-Werror", source, "-o", program], check=True)
    rng = np.random.default_rng(0)
    for width, height in SIZES:
        rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for crop in CROPS:
            command = [str(program), str(width), str(height), crop]
            done = subprocess.run(command, input=rgb.tobytes(), capture_output=True, check=True)
            left = (width, height) if crop == "none" else (min(width, height),) * 2
            check_pixels(done.stdout, read_image(rgb, 16, crop=crop), *left)


def check_pixels(got: bytes, wanted: np.ndarray, width: int, height: int) -> None:
    """The very bytes; about these of tall pictures, which older Pillows stretch otherwise."""
    pixels = np.frombuffer(got, np.uint8).reshape(wanted.shape)
    difference = np.abs(pixels.astype(int) - wanted)
    assert difference.max() <= (2 if height > width else 0), (width, height)


def test_the_test_vectors_hold() -> None:
    content = json.loads(vectors.FILE.read_text(encoding="utf-8"))
    predictor = Predictor(content["model"])
    record = predictor.record
    assert content["classes"] == list(record.classes)
    assert (content["image_size"], content["threshold"]) == (record.image_size, record.threshold)
    assert len(content["vectors"]) == 3
    for stored in content["vectors"]:
        width, height = stored["width"], stored["height"]
        picture = vectors.by_formula(width, height)
        if stored["rgb"] is not None:
            pixels = np.frombuffer(base64.b64decode(stored["rgb"]), np.uint8)
            picture = pixels.reshape(height, width, 3)
        found = vectors.vector(predictor, stored["name"], picture)
        assert (found["label"], found["resized"]) == (stored["label"], stored["resized"])
        assert found["known"] == pytest.approx(stored["known"], abs=1e-4)
        assert found["probabilities"] == pytest.approx(stored["probabilities"], abs=1e-4)


def test_the_page_shows_the_files_that_are_tested() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:python|javascript|cpp|json)\n(.*?)```", page, flags=re.DOTALL)
    for name in ("classify.py", "classify.mjs", "run.mjs", "preprocess.hpp", "classify.cpp"):
        assert (SNIPPETS / name).read_text(encoding="utf-8") in blocks, name
