"""Small makers that several tests share: a model.onnx that works by a rule, folders of pictures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

CLASSES = ("priority", "stop")
COLOURS = ((250, 200, 0), (200, 0, 20), (0, 60, 200), (0, 140, 60), (150, 0, 170), (0, 170, 180))


def class_colour(index: int) -> tuple[int, int, int]:
    """The RGB colour that stands for the class of this index."""
    return COLOURS[index % len(COLOURS)]


def _hues(count: int) -> np.ndarray:
    """Unit vectors (count, 3): each class's colour without its grey part."""
    colours = np.array([class_colour(index) for index in range(count)], dtype=np.float32)
    chroma = colours - colours.mean(axis=1, keepdims=True)
    return np.asarray(chroma / np.linalg.norm(chroma, axis=1, keepdims=True))


def toy_graph(
    classes: Sequence[str] = CLASSES,
    size: int = 32,
    *,
    known: str = "largest",
    region: tuple[int, int, int, int] | None = None,
    sharpness: float = 40.0,
) -> onnx.ModelProto:
    """A network without metadata that answers the class whose hue is nearest to the mean colour.

    `known`: "largest" is the largest probability; "colour" falls to 0 for a grey picture.
    `region`: (top, left, bottom, right), the only pixels that the decision depends on.
    """
    hues = _hues(len(classes)).T.copy()  # (3, K); a grey picture scores 0 everywhere
    tensors = {"hues": hues, "full": np.float32(255), "sharpness": np.float32(sharpness)}
    nodes = [helper.make_node("Cast", ["images"], ["whole"], to=TensorProto.FLOAT)]
    top, left, bottom, right = region or (0, 0, size, size)
    tensors["starts"] = np.array([top, left], dtype=np.int64)
    tensors["ends"] = np.array([bottom, right], dtype=np.int64)
    tensors["axes"] = np.array([1, 2], dtype=np.int64)
    nodes += [
        helper.make_node("Slice", ["whole", "starts", "ends", "axes"], ["pixels"]),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["mean", "full"], ["colour"]),
        helper.make_node("MatMul", ["colour", "hues"], ["likeness"]),
        helper.make_node("Mul", ["likeness", "sharpness"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    if known == "largest":
        nodes.append(
            helper.make_node("ReduceMax", ["probabilities"], ["known"], axes=[1], keepdims=0)
        )
    else:
        tensors["enough"] = np.float32(0.08 * sharpness)
        nodes += [
            helper.make_node("ReduceMax", ["logits"], ["largest"], axes=[1], keepdims=0),
            helper.make_node("Sub", ["largest", "enough"], ["surplus"]),
            helper.make_node("Sigmoid", ["surplus"], ["known"]),
        ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", size, size, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(classes)]),
            helper.make_tensor_value_info("known", TensorProto.FLOAT, ["N"]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def toy_metadata(
    classes: Sequence[str] = CLASSES, size: int = 32, threshold: float = 0.0, **changes: Any
) -> dict[str, Any]:
    """What the metadata entry `signwise` holds; `changes` replace or add entries."""
    return {
        "format": 1,
        "classes": list(classes),
        "image_size": size,
        "resize": "toy",
        "threshold": threshold,
        "temperature": 1.0,
        "data_sha256": "0" * 64,
        "figures": {"accuracy": 1.0},
        "signwise_version": "0.1.0",
    } | changes


def toy_model(
    path: Path,
    classes: Sequence[str] = CLASSES,
    size: int = 32,
    threshold: float = 0.0,
    *,
    known: str = "largest",
    region: tuple[int, int, int, int] | None = None,
    sharpness: float = 40.0,
    **metadata: Any,
) -> Path:
    """Write a model.onnx of the contract and give its path; see `toy_graph` for its rule."""
    model = toy_graph(classes, size, known=known, region=region, sharpness=sharpness)
    content = json.dumps(toy_metadata(classes, size, threshold, **metadata))
    helper.set_model_props(model, {"signwise": content})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def toy_picture(index: int | None, rng: np.random.Generator, size: int = 40) -> np.ndarray:
    """A sign of the class of this index on noisy grey, uint8 (size, size, 3); None: no sign."""
    grey = rng.integers(60, 190)
    pixels = np.full((size, size, 3), grey, dtype=np.float32)
    if index is not None:
        row, column = np.mgrid[:size, :size] - (size - 1) / 2 - rng.uniform(-3, 3, (2, 1, 1))
        radius = size * rng.uniform(0.3, 0.42)
        shapes = (np.abs(row) + np.abs(column), np.hypot(row, column), np.maximum(row, column))
        pixels[shapes[index % len(shapes)] < radius] = class_colour(index)
    seen = pixels * rng.uniform(0.7, 1.1) + rng.normal(0, 8, pixels.shape)
    return seen.clip(0, 255).astype(np.uint8)


def toy_folder(
    root: Path,
    classes: Sequence[str] = CLASSES,
    per_class: int = 12,
    *,
    frames: int = 3,
    size: int = 40,
    seed: int = 0,
) -> Path:
    """Write root/<class>/TTTTT_FFFFF.png, `frames` a track as GTSRB names them; give root."""
    for index, name in enumerate(classes):
        rng = np.random.default_rng([seed, index])
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            track, frame = divmod(number, frames)
            picture = Image.fromarray(toy_picture(index, rng, size))
            picture.save(root / name / f"{track:05d}_{frame:05d}.png")
    return root


def toy_unknown(root: Path, count: int = 8, *, size: int = 40, seed: int = 0) -> Path:
    """Write root/NNNNN.png, pictures of no class: noisy grey; give root."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(toy_picture(None, rng, size)).save(root / f"{number:05d}.png")
    return root
