"""What test_ranks.py runs in several processes, and in its own."""

import contextlib
import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from signwise.cli.main import main
from signwise.errors import SignwiseError
from signwise.training import ranks
from signwise.training.batch_norm import share_statistics
from signwise.training.batch_renorm import renormalise
from signwise.training.features import fit_stage_one
from signwise.training.loop import run_epoch
from signwise.training.optim import make_train_state
from toy_training import CPU, settings, tiny_data, toy_architecture, toy_net

DATA = {"rendered": 6, "held_out": 5, "folder": 3}


class Wide(nn.Module):
    """A network that computes in the precision of its weights, whatever it is given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of pictures (B, 3, S, S)."""
        logits: Tensor = self.network(pictures.to(next(self.parameters()).dtype))
        return logits


def network(dtype: torch.dtype) -> nn.Module:
    """A network with a batch norm, always with the same weights."""
    torch.manual_seed(0)
    return Wide(toy_net(num_classes=3).to(dtype))


def epochs(dtype: torch.dtype, *, renormalised: bool) -> list[list[float]]:
    """Losses and accuracies of two epochs, whose batches have 6 or 7 pictures of the classes."""
    config = settings(epochs=2, batch_size=7)
    net = network(dtype)
    if renormalised:
        renormalise(net, 0.1)
    share_statistics(net)
    state = make_train_state(net, config)
    rows = [run_epoch(state, tiny_data(**DATA), config, number, CPU) for number in (1, 2)]
    return [[row.train_loss, row.train_accuracy, row.val_loss, row.val_accuracy] for row in rows]


def stage_one(out: Path) -> list[float]:
    """The figures of a head on features that are computed in shares."""
    net = network(torch.float32)
    config = settings(weights="signs")
    row = fit_stage_one(net, tiny_data(**DATA), config, CPU, kept_in=out, key="a").row
    again = fit_stage_one(net, tiny_data(**DATA), config, CPU, kept_in=out, key="a").row
    assert replace(again, seconds=row.seconds) == row
    make_train_state(net, config)  # which gives all processes the head of the first
    weight = next(value for name, value in net.named_parameters() if name.endswith("5.weight"))
    return [row.train_loss, row.val_loss, row.val_accuracy, float(weight.detach().sum())]


def failing_in(number: int) -> list[str]:
    """What each way to agree raises here where it fails in one process."""
    texts = []
    for way in (ranks.together, ranks.writer_first):
        try:
            with way():
                if ranks.rank() == number:
                    raise SignwiseError(f"the disk of {number} is full")
        except SignwiseError as error:
            texts.append(f"{type(error).__name__}: {error}")
    return texts


def measured(out: Path) -> dict[str, Any]:
    """All that does not hang on how many processes there are."""
    return {
        "float64": epochs(torch.float64, renormalised=False),
        "float64 renormalised": epochs(torch.float64, renormalised=True),
        "float32": epochs(torch.float32, renormalised=False),
        "float32 renormalised": epochs(torch.float32, renormalised=True),
        "stage one": stage_one(out),
    }


def command(port: str, *arguments: str) -> dict[str, Any]:
    """A command line in this process: its status and what it said."""
    os.environ["MASTER_PORT"] = port
    said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
        status = main(list(arguments))
    return {"status": status, "out": said[0].getvalue(), "err": said[1].getvalue()}


def worker(out: Path, ports: list[str], arguments: list[str]) -> dict[str, Any]:
    """One of several processes: all that is measured, and commands that work and fail."""
    os.environ["MASTER_PORT"] = ports[0]
    torch.set_num_threads(1)
    vars(ranks)["GRACE_SECONDS"] = 0  # no launcher stops the writer
    with ranks.joined():
        own = ranks.share(5)
        found = measured(out) | {
            "share": [own.start, own.stop],
            "of none": ranks.by_shares(lambda rows: rows + 1, torch.zeros(1, 2)).tolist(),
            "sum": float(ranks.summed(torch.tensor(ranks.rank() + 1.0))),
            "agreed": ranks.agreed(ranks.rank() + 7),
            "writer fails": failing_in(0),
            "other fails": failing_in(1),
        }
    with toy_architecture():
        found["train"] = command(ports[1], *arguments)
        found["again"] = command(ports[2], *arguments)
        vars(sys.modules[main.__module__])["HEARD_SECONDS"] = 0  # nobody stops these
        found["bad value"] = command(ports[3], *arguments, "--epochs", "0")
        found["bad flag"] = command(ports[3], *arguments, "--epochs", "none")
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    result = worker(folder, sys.argv[2].split(","), sys.argv[3:])
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(result))
