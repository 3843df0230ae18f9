"""The model cards of the files that ship."""

import re
import textwrap

from common import NetworkFacts
from signwise.model_file.record import ModelRecord
from signwise.report.words import LEVEL, UNIT, between, percent, score

PHOTOS = """GTSRB's 39,209 training pictures (Stallkamp, Schlipsing, Salmen, Igel: "Man vs.
computer: benchmarking machine learning algorithms for traffic sign recognition", Neural Networks
32, 2012: cite it). They are photos from Germany and are not redistributed here; neither a picture
nor a crop of one is in this package. By track, three fifths and one fifth were trained on, a fifth
was held out (`recipes/tracks.py`). Besides them signs and negatives that signwise renders."""

FAILURES = """- It knows what GTSRB and the renderer show: daylight more than night, Germany
more than elsewhere.
- It names the one sign that a crop shows; it does not find signs in a street photo.
- A sign that covers less than about a third of the picture, or is half hidden, may be refused.
- `known` says how much a picture looks like its classes. It is no proof against pictures that
  were made to deceive it, or against a sticker, a printed advert or a toy of the same sign."""

FIGURES, MADE = "## How good it is", "## How it was made"
"""The headings around what a new measurement changes."""

FIRST_READ = {
    "signs": "first read on 2026-11-22",
    "priority-stop": """first read on 2026-11-22, and again after the threshold, and nothing else,
had been changed""",
}
"""How often the held-out tracks were looked at before. To be renewed with the weights."""


def wrapped(text: str) -> str:
    """Markdown with its paragraphs and list items filled to 100 columns."""
    blocks = []
    for block in text.strip().split("\n\n"):
        items = block.replace("\n- ", "\n\n- ").split("\n\n")
        hang = "  " if block.startswith("- ") else ""
        blocks.append(
            "\n".join(
                textwrap.fill(re.sub(r"[ \n]+", " ", item), 100, subsequent_indent=hang)
                for item in items
            )
        )
    return "\n\n".join(blocks) + "\n"


def figures_text(name: str, record: ModelRecord) -> str:
    """The figures of the very file, as sentences."""
    held = record.figures.held_out
    assert held is not None
    assert held.unknown is not None
    unknown = held.unknown
    mistakes = ", ".join(held.signs_with_mistakes or ()) or "none"
    return f"""On held-out tracks, with this very file ({FIRST_READ[name]}):

- right on {held.correct:,} of {held.n:,} pictures of {held.signs} signs: {percent(held.accuracy)}
  ({LEVEL} {between(held.accuracy_ci95)} by picture, {between(held.accuracy_ci95_grouped)} by
  sign, which is the honest one, since pictures of one sign are alike); classes and tracks with
  mistakes: {mistakes};
- {held.refused} of them rejected, that is answered `unknown`, at the stored threshold
  {record.threshold:.4f};
- {unknown.accepted:,} of {unknown.n:,} pictures of no class ({unknown.source}) wrongly accepted at
  that threshold; `known` tells them from the signs with AUROC {score(unknown.auroc)} (false accept
  rate where 95{UNIT} of the signs are accepted: {percent(unknown.fpr_at_95_tpr)}).

The threshold is the middle of the classes' sigmoids. The temperature {record.temperature:.3f} was
fitted on the validation tracks, which the network was trained on in the end, so it flatters."""


def with_figures(card: str, name: str, record: ModelRecord) -> str:
    """The card with the figures of the record in place of older ones."""
    before, rest = card.split(FIGURES)
    _, after = rest.split(MADE)
    return f"{before}{FIGURES}\n\n{wrapped(figures_text(name, record))}\n{MADE}{after}"


def signs_card(record: ModelRecord, network: NetworkFacts) -> str:
    """README.md of `signs`."""
    return wrapped(f"""# signs

The 43 classes of GTSRB, or `unknown`: torchvision's ResNet-18 at {record.image_size} x
{record.image_size} pixels.

- `backbone.safetensors`: float16 weights (batch statistics float32) for `signwise train
  --weights signs`, the default for resnet18. Its state dict is torchvision's, its head has 43
  classes and unknown.
- `model.onnx`: int8 (weights by channel, activations unsigned), for `signwise predict signs
  photo.jpg`.

## Data and its terms

{PHOTOS}

{FIGURES}

{figures_text("signs", record)}

{MADE}

`recipes/signs.py` ({network.epochs} epochs, {network.seconds:.0f} s on {network.machine}, rendering
included) and `recipes/ship.py`. What else was tried stands in LOG.md.

## Known failures

{FAILURES}

## Licence

Apache-2.0, as signwise.
""")


def priority_stop_card(record: ModelRecord, network: NetworkFacts) -> str:
    """README.md of `priority-stop`."""
    return wrapped(f"""# priority-stop

`priority`, `stop` or `unknown`: a network of 0.3 million weights at {record.image_size} x
{record.image_size} pixels, float32. `signwise predict priority-stop photo.jpg` uses it.

## Data and its terms

{PHOTOS} The other 41 classes are negatives.

{FIGURES}

{figures_text("priority-stop", record)}

{MADE}

`recipes/priority_stop.py`, taught by `signs` ({network.epochs} epochs, {network.seconds:.0f} s on
{network.machine}), and `recipes/ship.py`. What else was tried stands in LOG.md.

## Known failures

{FAILURES}

## Licence

Apache-2.0, as signwise.
""")
