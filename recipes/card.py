"""The model cards of the files that ship."""

import textwrap
from typing import Any

PHOTOS = """GTSRB's 39,209 training pictures (Stallkamp, Schlipsing, Salmen, Igel: "Man vs.
computer:
benchmarking machine learning algorithms for traffic sign recognition", Neural Networks 32,
2012: cite
it). They are photos from Germany and are not redistributed here; neither a picture nor a crop of
one is in this package. By track, three fifths and one fifth were trained on, a fifth was held out
(`recipes/tracks.py`). Besides them signs and negatives that signwise renders."""

FAILURES = """- It knows what GTSRB and the renderer show: daylight more than night, Germany
more than elsewhere.
- It names the one sign that a crop shows; it does not find signs in a street photo.
- A sign that covers less than about a third of the picture, or is half hidden, may be refused.
- `known` says how much a picture looks like its classes. It is no proof against pictures that
  were made to
  deceive it, or against a sticker, a printed advert or a toy of the same sign."""


def wrapped(text: str) -> str:
    """Markdown with its paragraphs and list items filled to 100 columns."""
    blocks = []
    for block in text.strip().split("\n\n"):
        items = block.replace("\n- ", "\n\n- ").split("\n\n")
        hang = "  " if block.startswith("- ") else ""
        blocks.append(
            "\n".join(
                textwrap.fill(" ".join(item.split()), 100, subsequent_indent=hang) for item in items
            )
        )
    return "\n\n".join(blocks) + "\n"


def percent(share: float, digits: int = 2) -> str:
    """A fraction as per cent."""
    return f"{100 * share:.{digits}f} %"


def figures_text(metadata: dict[str, Any]) -> str:
    """The figures of the very file, as sentences."""
    held = metadata["figures"]["held_out"]
    low, high = held["accuracy_ci95"]
    low_by_sign, high_by_sign = held["accuracy_ci95_grouped"]
    mistakes = ", ".join(held["tracks_with_mistakes"]) or "none"
    return f"""On held-out tracks, read once, with this very file (2026-11-22):

- right on {held["correct"]:,} of {held["n"]:,} pictures of {held["tracks"]} signs:
  {percent(held["accuracy"])} (95 % interval
  {percent(low)} to {percent(high)} by picture, {percent(low_by_sign)} to {percent(high_by_sign)}
  by sign, which is the honest one, since pictures of one sign are alike);
  classes and tracks with mistakes: {mistakes};
- {held["refused"]} of them refused as `unknown` at the stored threshold
  {metadata["threshold"]:.4f};
- `known` against {held["strangers"]:,} strangers ({held["strangers_are"]}): AUROC
  {held["auroc"]:.5f},
  FPR at 95 % TPR {held["fpr_at_95_tpr"]:.4f}; {held["accepted_strangers"]} accepted at the
  threshold.

The threshold is the middle of the classes' sigmoids. The temperature
{metadata["temperature"]:.3f} was fitted on the
validation tracks, which the network was trained on in the end, so it flatters."""


def signs_card(metadata: dict[str, Any], facts: dict[str, Any]) -> str:
    """README.md of `signs`."""
    return wrapped(f"""# signs

The 43 classes of GTSRB, or `unknown`: torchvision's ResNet-18 at {metadata["image_size"]} x
{metadata["image_size"]} pixels.

- `backbone.safetensors`: float16 weights (batch statistics float32) for `signwise train
  --weights signs`,
  the default for resnet18. Its state dict is torchvision's, its head has 43 classes and unknown.
- `model.onnx`: int8 (weights by channel, activations unsigned), for `signwise predict signs
  photo.jpg`.

## Data and its terms

{PHOTOS}

## How good it is

{figures_text(metadata)}

## How it was made

`recipes/signs.py` ({facts["epochs"]} epochs, {facts["seconds"]:.0f} s on {facts["machine"]},
rendering included) and
`recipes/ship.py`. What else was tried stands in LOG.md.

## Known failures

{FAILURES}

## Licence

Apache-2.0, as signwise.
""")


def priority_stop_card(metadata: dict[str, Any], facts: dict[str, Any]) -> str:
    """README.md of `priority-stop`."""
    return wrapped(f"""# priority-stop

`priority`, `stop` or `unknown`: a network of 0.3 million weights at {metadata["image_size"]} x
{metadata["image_size"]} pixels, float32.
`signwise predict priority-stop photo.jpg` uses it.

## Data and its terms

{PHOTOS} The other 41 classes are negatives.

## How good it is

{figures_text(metadata)}

## How it was made

`recipes/priority_stop.py`, taught by `signs` ({facts["epochs"]} epochs, {facts["seconds"]:.0f}
s on {facts["machine"]}), and
`recipes/ship.py`. What else was tried stands in LOG.md.

## Known failures

{FAILURES}

## Licence

Apache-2.0, as signwise.
""")
