"""Architectures by name, their weights through torchvision's own loading code, and the new head."""

import os
import pickle
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from signwise.errors import SignwiseError
from signwise.training import network
from signwise.training.loading import load_tensors_into
from signwise.training.network import build_model

SMALL = "shufflenet_v2_x0_5"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", 32),
        ("squeezenet1_1", 32),
        ("mobilenet_v3_small", 32),
        ("densenet121", 32),
        ("googlenet", 64),
        ("vgg11", 32),
        ("regnet_y_400mf", 32),  # its builder computes with tensors
    ],
)
def test_every_family_gets_a_head_of_its_own(name: str, size: int) -> None:
    network = build_model(name, 3, size, "none").eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 3)


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(SignwiseError, match=r"^`model`: .*'resnet19'"):
        build_model("resnet19", 2, 32, "none")


@pytest.mark.parametrize(("name", "working"), [("alexnet", "64"), ("vit_b_16", "224")])
def test_an_image_size_that_does_not_fit_says_which_do(name: str, working: str) -> None:
    with pytest.raises(SignwiseError, match=rf"^`image_size` 32: {name} .*\b{working}\b"):
        build_model(name, 2, 32, "none")


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where torch looks for downloaded weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def test_imagenet_weights_are_loaded_by_torchvision(torch_home: Path) -> None:
    torch_home.mkdir(parents=True)
    torch.manual_seed(1)
    theirs = models.shufflenet_v2_x0_5()
    file = models.ShuffleNet_V2_X0_5_Weights.DEFAULT.url.rsplit("/", 1)[1]
    torch.save(theirs.state_dict(), torch_home / file)
    ours = build_model(SMALL, 2, 32, "imagenet")
    assert torch.equal(ours.state_dict()["conv1.0.weight"], theirs.conv1[0].weight)
    assert ours.state_dict()["fc.weight"].shape == (2, 1024)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_imagenet_weights_for_pictures_from_minus_1_to_1_get_these(name: str) -> None:
    assert bool(build_model(name, 2, 224, "none").transform_input)


def test_imagenet_weights_of_another_picture_size_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "_imagenet_state", lambda _: {"fc.bias": torch.zeros(7)})
    with pytest.raises(SignwiseError, match=r"^`weights` imagenet: .* another size"):
        build_model(SMALL, 2, 32, "imagenet")


def test_weights_of_a_network_that_asks_for_their_version_go_in_and_out() -> None:
    first, second = (build_model("mnasnet0_5", 2, 224, "none") for _ in range(2))
    plain = {name: value + 1 for name, value in first.state_dict().items()}
    load_tensors_into(second, plain)
    assert all(torch.equal(value, plain[name]) for name, value in second.state_dict().items())
    with pytest.raises(RuntimeError):
        load_tensors_into(second, {"layers": torch.zeros(1)})


def test_a_pickled_model_where_weights_should_be_is_not_run(torch_home: Path) -> None:
    torch_home.mkdir(parents=True)
    file = models.ShuffleNet_V2_X0_5_Weights.DEFAULT.url.rsplit("/", 1)[1]
    torch.save(models.shufflenet_v2_x0_5(), torch_home / file)
    with pytest.raises(SignwiseError, match=r"^`weights` imagenet: .*delete it"):
        build_model(SMALL, 2, 32, "imagenet")


def test_without_a_network_the_error_says_what_to_do(
    torch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with pytest.raises(SignwiseError) as caught:
        build_model("resnet18", 2, 32, "imagenet")
    message = str(caught.value)
    assert "resnet18-f37072fd.pth" in message
    assert str(torch_home) in message
    assert "`weights` none" in message
    assert "\n" not in message


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_file_leave_its_head_out(tmp_path: Path, suffix: str) -> None:
    theirs = models.get_model(SMALL, num_classes=7).state_dict()
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({f"module.{name}": value for name, value in theirs.items()}, file)
    else:
        save_file({name: value.clone() for name, value in theirs.items()}, file)
    ours = build_model(SMALL, 2, 32, str(file)).state_dict()
    assert torch.equal(ours["conv1.0.weight"], theirs["conv1.0.weight"])
    assert ours["fc.weight"].shape == (2, 1024)


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    theirs = models.get_model(SMALL, num_classes=2).half().state_dict()
    save_file({name: value.clone() for name, value in theirs.items()}, tmp_path / "w.safetensors")
    ours = build_model(SMALL, 2, 32, str(tmp_path / "w.safetensors"))
    assert {parameter.dtype for parameter in ours.parameters()} == {torch.float32}


class Trap:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_bad_weight_files_are_errors_and_run_no_code(tmp_path: Path) -> None:
    trap, sprung = tmp_path / "trap.pth", tmp_path / "sprung"
    trap.write_bytes(pickle.dumps(Trap(sprung)))
    torch.save({"weights": Trap(sprung)}, tmp_path / "zip-trap.pth")
    (tmp_path / "text.safetensors").write_text("no weights")
    torch.save(models.get_model("resnet18").state_dict(), tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    for name, reason in {
        "trap.pth": "not a .pth file of tensors",
        "zip-trap.pth": "not a .pth file of tensors",
        "text.safetensors": "not a .safetensors file",
        "list.pth": "not a state dict",
        "other.pth": "another architecture",
        "missing.pth": "no such file",
    }.items():
        with pytest.raises(SignwiseError, match=f"^`weights` .*{name}: .*{reason}"):
            build_model(SMALL, 2, 32, str(tmp_path / name))
    assert not sprung.exists()


def state_of(name: str) -> dict[str, torch.Tensor]:
    network: nn.Module = models.get_model(name, weights=None, num_classes=5)
    return network.state_dict()


def test_a_view_that_says_it_is_huge_is_compared_and_not_copied(tmp_path: Path) -> None:
    state = state_of(SMALL)
    huge = torch.zeros(1).as_strided((10**6, 10**6), (0, 0))  # 4 TB, were it copied
    torch.save(state | {"conv1.0.weight": huge}, tmp_path / "huge.pth")
    with pytest.raises(SignwiseError, match=r"another shape of conv1\.0\.weight"):
        build_model(SMALL, 2, 32, str(tmp_path / "huge.pth"))
    torch.save(
        state | {"more": torch.zeros(1, dtype=torch.float64).as_strided((10**6, 10**6), (0, 0))},
        tmp_path / "more.pth",
    )
    build_model(SMALL, 2, 32, str(tmp_path / "more.pth"))  # what is not wanted is not touched


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.to_sparse(),
        lambda value: value.to(torch.complex64),
        lambda value: value.to("meta"),
        lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
    ],
    ids=["sparse", "complex", "meta", "quantised"],
)
@pytest.mark.filterwarnings("ignore")
def test_a_tensor_of_another_kind_is_refused(
    tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    state = state_of(SMALL)
    state["conv1.0.weight"] = change(state["conv1.0.weight"])
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(SignwiseError, match="`weights`"):
        build_model(SMALL, 2, 32, str(tmp_path / "odd.pth"))


def test_a_compressed_file_of_weights_is_refused_unread(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "a.pth")
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as stored,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    with pytest.raises(SignwiseError, match="its tensors are compressed"):
        build_model(SMALL, 2, 32, str(tmp_path / "bomb.pth"))


@pytest.mark.skipif(os.name == "nt", reason="another operating system")
def test_a_pipe_holds_no_weights(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pth")
    with pytest.raises(SignwiseError, match="no regular file; give none, signs"):
        build_model(SMALL, 2, 32, str(tmp_path / "a.pth"))
