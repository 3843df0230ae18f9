"""Settings on the command line: flat flags, --config, and those of a run that is resumed."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import signwise
from console import failure
from signwise.cli.main import main
from signwise.config import AugmentationConfig, Traits

TRAIN_FLAGS = """--out --epochs --batch-size --learning-rate --momentum --weight-decay
    --label-smoothing --image-size --model --weights --freeze --unknown --keep-known --class-weights
    --seed --device --threads --time-limit --resume --track --config"""


def traits(pictures: int) -> Traits:
    return Traits(kind="signs", pictures=pictures, data_size=32, usual_side=40)


def test_flags_of_train_and_prepare_are_flat(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help"])
    text = capsys.readouterr().out
    for flag in TRAIN_FLAGS.split():
        assert f" {flag} " in text
    switches = {f"--no-{name}" for name in ("freeze", "resume", "json")}
    found = set(re.findall(r"(?<= )--[a-z][a-z.:_-]*", text))
    assert found <= {*TRAIN_FLAGS.split(), *switches, "--json", "--help"}
    main(["prepare", "--help"])
    text = capsys.readouterr().out
    flags = "--out --split --group --image-size --max-pixels --seed --copy --exclude --config"
    for flag in flags.split():
        assert f" {flag} " in text


def test_setting_out_of_range_names_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--epochs" in failure(capsys, "train", "data", "--out", "run", "--epochs", 0)
    split = ("--split", "0.5", "0.5", "0.5")
    assert "--split" in failure(capsys, "prepare", "photos", "--out", "data", *split)


def seen_settings(
    monkeypatch: pytest.MonkeyPatch, name: str, arguments: Sequence[object]
) -> tuple[Any, dict[str, Any]]:
    """The configuration and the keywords that the Python function gets from a command line."""
    seen: list[Any] = []

    class Stop(Exception):
        pass

    def stand_in(*arguments: Any, **keywords: Any) -> None:
        seen.extend((arguments[2], keywords))
        raise Stop

    monkeypatch.setattr(signwise, name, stand_in)
    monkeypatch.setenv("SIGNWISE_TRACEBACK", "1")
    with pytest.raises(Stop):
        main([name, *map(str, arguments)])
    return seen[0], seen[1]


def test_flags_override_the_config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"epochs": 7, "freeze": True, "seed": 3}))
    config, keywords = seen_settings(
        monkeypatch, "train", ["data", "--out", "run", f"--config={file}", "--seed", 4]
    )
    assert config == signwise.TrainConfig(epochs=7, freeze=True, seed=4)
    assert keywords == {"resume": False}
    file.write_text(json.dumps({"split": [0.5, 0.25, 0.25], "exclude": "a.csv"}))
    config, _ = seen_settings(
        monkeypatch, "prepare", ["photos", "--out", "data", "--config", file, "--copy"]
    )
    split = (0.5, 0.25, 0.25)
    assert config == signwise.PrepareConfig(split=split, exclude=Path("a.csv"), copy=True)


@pytest.mark.parametrize("content", [{"augmentation": {"noise": 0.5}}, {"augmentation.noise": 0.5}])
def test_the_numbers_behind_the_flags_come_from_the_file(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(content | {"epochs": 7}))
    arguments = ["data", "--out", "run", "--config", file, "--epochs", 3]
    config, _ = seen_settings(monkeypatch, "train", arguments)
    noise = AugmentationConfig(noise=0.5)
    assert config == signwise.TrainConfig(epochs=3, augmentation=noise)


def test_a_runs_own_record_gives_all_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = signwise.TrainConfig(momentum=0.5, augmentation=AugmentationConfig(noise=0.5))
    resolved = settings.resolve(traits(1000))
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"settings": resolved.to_json(), "seed": 0}))
    config, _ = seen_settings(monkeypatch, "train", ["data", "--out", "run", "--config", file])
    assert config.to_json() == resolved.to_json()
    assert config.resolve(traits(5)) == resolved


def test_a_flag_can_be_turned_off_that_the_file_turns_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"freeze": True}))
    arguments = ["data", "--out", "run", "--config", file, "--no-freeze"]
    assert seen_settings(monkeypatch, "train", arguments)[0] == signwise.TrainConfig()


def test_resume_goes_on_under_the_settings_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"settings": {"epochs": 7}}))
    arguments = ["data", "--out", tmp_path, "--resume"]
    config, keywords = seen_settings(monkeypatch, "train", arguments)
    assert config == signwise.TrainConfig(epochs=7)
    assert keywords == {"resume": True}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "mine.json"),
        ('{"epochs": "ten"}', "--config: --epochs must be a whole number, not 'ten'"),
        ('{"epoch": 10}', "--config: no setting 'epoch'"),
        ('{"augmentation.noise": "much"}', "--config: augmentation.noise must be a number"),
        ('{"augmentation": {"noise": -1}}', "--config: augmentation.noise must be at least 0"),
        ('{"augmentation": {"nois": 1}}', "--config: no setting 'augmentation.nois'"),
    ],
)
def test_a_config_file_that_is_wrong(
    content: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(content)
    assert told in failure(capsys, "train", "data", "--out", "run", "--config", file)
    file.unlink()
    assert "mine.json" in failure(capsys, "train", "data", "--out", "run", "--config", file)
