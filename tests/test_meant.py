"""A name that does not exist is answered with the one that was likely meant."""

import pytest

from console import failure
from signwise.cli.flags import unknown_flags
from signwise.cli.main import main
from signwise.cli.verbs import VERBS
from signwise.config import PrepareConfig, TrainConfig
from signwise.config.meant import ELSEWHERE, meant
from signwise.errors import SignwiseError
from signwise.files import Json


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("trian", "train"), ("Train", "train"), ("prepere", "prepare"), ("eval", "evaluate"),
        ("fit", "train"), ("pred", "predict"), ("infer", "predict"), ("model", "models"),
    ],
)  # fmt: skip
def test_a_verb_that_does_not_exist(
    name: str, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"no verb {name!r} (did you mean {verb}?)" in failure(capsys, name, "data")


def test_what_is_like_nothing_gets_no_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, "xyzzy").endswith("no verb 'xyzzy': signwise --help lists them")
    assert meant("", ["train"]) == ""
    assert meant("train", []) == ""


@pytest.mark.parametrize(
    ("verb", "flag", "wanted"),
    [
        ("train", "--lr", "--learning-rate"), ("train", "--lr=0.1", "--learning-rate"),
        ("train", "--batchsize", "--batch-size"), ("train", "--bs", "--batch-size"),
        ("train", "--epoch", "--epochs"), ("train", "--gpu", "--device"),
        ("train", "--output", "--out"), ("evaluate", "--dat", "--data"),
        ("evaluate", "--unkown", "--unknown"), ("predict", "--treshold", "--threshold"),
        ("prepare", "-o", "--out"), ("synth", "--n_per_class", "--per-class"),
    ],
)  # fmt: skip
def test_a_flag_that_does_not_exist(
    verb: str, flag: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "data", flag, "x"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    name = flag.partition("=")[0]
    assert captured.err.splitlines()[-1] == f"{name}: (did you mean {wanted}?)"


def test_a_nested_setting_is_no_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "data", "--out", "run", "--augmentation.noise", "0.1"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "--augmentation.noise: a setting of this kind goes into a file: --config FILE"
    )


def test_flags_that_exist_get_no_guess() -> None:
    given = ["data", "--out", "run", "--epochs=many", "--no-freeze", "--help", "-h", "-0.5", "--"]
    assert unknown_flags(given, VERBS["train"]) == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"lr": 0.1}, "no setting 'lr' (did you mean learning_rate?); there are epochs,"),
        ({"augmentation": {"nois": 0.1}}, "'augmentation.nois' (did you mean noise?)"),
        ({"track": "tensorbord"}, "not 'tensorbord' (did you mean tensorboard?)"),
    ],
)
def test_settings_of_a_file(content: dict[str, Json], text: str) -> None:
    with pytest.raises(SignwiseError) as caught:
        TrainConfig.from_json(content)
    assert text in str(caught.value)


def test_words_from_elsewhere_are_not_ours() -> None:
    ours = {*VERBS, *vars(TrainConfig()), *vars(PrepareConfig()), "out", "data", "threshold"}
    assert set(ELSEWHERE.values()) <= ours
