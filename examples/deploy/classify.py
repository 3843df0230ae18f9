"""A model.onnx of signwise with onnxruntime, Pillow and numpy: python classify.py MODEL FILE...

The numbers in the comments are the steps of docs/deploy.md.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def preprocess(path: str, size: int, crop: str = "none") -> np.ndarray:
    """The picture as the model wants it, uint8 (size, size, 3)."""
    image = Image.open(path)
    if image.format in ("JPEG", "MPO"):  # 1
        image.draft(None, (2 * size, 2 * size))
    image.load()
    upright = ImageOps.exif_transpose(image)  # 2
    if upright.has_transparency_data:  # 3
        grey = Image.new("RGBA", upright.size, (128, 128, 128, 255))
        grey.alpha_composite(upright.convert("RGBA"))
        upright = grey
    rgb = upright.convert("RGB")
    if crop == "center":
        side = min(rgb.size)
        left, top = (rgb.width - side) // 2, (rgb.height - side) // 2
        rgb = rgb.crop((left, top, left + side, top + side))
    small = rgb.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)  # 4, 5
    return np.asarray(small)


def main(model: str, paths: list[str]) -> None:
    """Print path, label, known and the probabilities of each picture, as JSON Lines."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    record = json.loads(session.get_modelmeta().custom_metadata_map["signwise"])
    for path in paths:
        pixels = preprocess(path, record["image_size"], record.get("crop", "none"))
        images = {"images": pixels[None]}
        probabilities, known = session.run(["probabilities", "known"], images)  # 6
        best = record["classes"][int(probabilities[0].argmax())]
        label = best if known[0] >= record["threshold"] else "unknown"  # 7
        answer = {"path": path, "label": label, "known": float(known[0])}
        print(json.dumps(answer | {"probabilities": probabilities[0].tolist()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
