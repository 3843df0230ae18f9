"""Public data sets: fetched, resumed, checked against pinned sums, unpacked into class folders."""

import csv
import io
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from signwise.errors import SignwiseError
from signwise.folders import output_folder
from signwise.progress import track
from signwise.results import Problem

# The German Traffic Sign Recognition Benchmark: Stallkamp, Schlipsing, Salmen, Igel, "Man vs.
# computer: benchmarking machine learning algorithms for traffic sign recognition", Neural Networks
# 32, 2012. The address is the one that its page, https://benchmark.ini.rub.de, links to.
GTSRB_URL = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
# MD5 is what has been published for these files; torchvision pins the same two for the test set.
GTSRB_ARCHIVES = {
    "GTSRB_Final_Training_Images.zip": "md5:f33fd80ac59bff73c82d25ab499e03a3",
    "GTSRB_Final_Test_Images.zip": "md5:c7e4e6327067d32654124b0fe9e82185",
    "GTSRB_Final_Test_GT.zip": "md5:fe31e9c9270bbcd7b84b7f21a9d9d9e5",
}
TRAINING_PICTURE = re.compile(r"GTSRB/Final_Training/Images/(\d{5})/(\d{5}_\d{5}\.ppm)")
TEST_PICTURE = re.compile(r"GTSRB/Final_Test/Images/(\d{5}\.ppm)")
TEST_LABELS = "GT-final_test.csv"

ATTEMPTS = 3
"""Without a single byte in between."""
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = (10, 60)
"""To connect, and between two pieces of data."""
CHUNK_BYTES = 1 << 14
"""What is lost at most when a connection is cut."""
MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class DownloadResult:
    """What was downloaded and unpacked."""

    out: Path
    counts: dict[str, int]
    """Pictures in train and test."""
    problems: list[Problem]
    classes: tuple[str, ...]


def download(
    dataset: str,
    out: str | Path,
    *,
    classes: Mapping[int, str] | Sequence[str] = (),
    _url: str = GTSRB_URL,
    _archives: Mapping[str, str] = GTSRB_ARCHIVES,
) -> DownloadResult:
    """Fetch GTSRB into OUT/train/<class>/TTTTT_FFFFF.ppm and OUT/test/<class>/NNNNN.ppm.

    `classes`: GTSRB's numbers and the names that their folders shall have, as {12: "priority"} or
    ["12=priority"]; all 43 as NN_words where none is given. OUT/train is for `prepare`: its file
    names say which pictures show one sign. OUT/test is for `evaluate`. The archives stay in the
    user's cache folder, so that another OUT needs no network. An earlier download is replaced.

    Raises SignwiseError for an unknown data set or class, without network, and on a wrong checksum.
    """
    if dataset != "gtsrb":
        raise SignwiseError(f"download {dataset}: there is only gtsrb")
    names = _class_names(classes)
    with output_folder(Path(out), "download") as out:
        training, test, labels = (_fetch(name, _url, known) for name, known in _archives.items())
        counts = {
            "train": _unpack(out / "train", training, _training_pictures(names)),
            "test": _unpack(out / "test", test, _test_pictures(labels, names)),
        }
    return DownloadResult(out=out, counts=counts, problems=[], classes=tuple(names.values()))


def _class_names(classes: Mapping[int, str] | Sequence[str]) -> dict[int, str]:
    from signwise.synthetic import GTSRB_DESIGNS

    if not classes:
        return {number: f"{number:02d}_{name}" for number, name in enumerate(GTSRB_DESIGNS)}
    if isinstance(classes, Mapping):
        names = {int(number): str(name) for number, name in classes.items()}
    else:
        names = {}
        for item in classes:
            digits, equals, name = item.partition("=")
            if not (digits.isdecimal() and equals and name):
                raise SignwiseError(f"`classes` {item}: give NUMBER=NAME, as 12=priority")
            if int(digits) in names:
                raise SignwiseError(f"`classes` gives class {int(digits)} two names")
            names[int(digits)] = name
    for number, name in names.items():
        if number not in range(len(GTSRB_DESIGNS)):
            raise SignwiseError(f"`classes` {number}={name}: GTSRB's classes are 0 to 42")
        if not name or re.search(r'[\\/:*?"<>|\0]|^\.', name) or name.casefold() == "unknown":
            raise SignwiseError(f"`classes` {number}={name}: a name that a folder can have, please")
    if len(set(names.values())) != len(names):
        raise SignwiseError("`classes` gives two classes one name")
    return names


def _fetch(name: str, url: str, known_hash: str) -> Path:
    """The archive in the cache, fetched if it is not there or is not what it should be."""
    import pooch
    import requests

    cache = Path(pooch.os_cache("signwise"))
    pooch.get_logger().setLevel("WARNING")  # it tells of every file; the progress does that here
    by_hand = f"or put {name} into {cache} by hand and run this again"
    try:
        found = pooch.retrieve(
            url + name, known_hash, fname=name, path=cache, downloader=_resuming_download
        )
    except (requests.RequestException, ConnectionError) as error:
        raise SignwiseError(
            f"download of {url}{name} failed ({_reason(error)}): try again, {by_hand}"
        ) from None
    except ValueError:
        raise SignwiseError(
            f"{url}{name} is not the file that signwise knows ({known_hash} is wanted): "
            f"try again later, {by_hand}"
        ) from None
    return Path(found)


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"status {response.status_code}" if response is not None else type(error).__name__


def _resuming_download(url: str, output_file: str | Path | IO[bytes], _: Any) -> None:
    """A downloader for pooch that goes on where the connection was cut, even in another run.

    What has come is in <archive>.part beside the archive; `output_file` is pooch's own temporary
    file, which it deletes on failure.
    """
    import pooch
    import requests

    assert isinstance(output_file, (str, Path))
    part = Path(pooch.os_cache("signwise")) / (url.rsplit("/", 1)[1] + ".part")
    stuck = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _download_rest(url, part)
            break
        except (requests.ConnectionError, requests.Timeout):
            came = part.exists() and part.stat().st_size > before
            stuck = 0 if came else stuck + 1
            if stuck == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS)
    part.replace(output_file)


def _download_rest(url: str, part: Path) -> None:
    import requests

    done = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == 416:  # nothing is left to send: the checksum will tell
            return
        response.raise_for_status()
        if response.status_code != 206:  # a server that does not resume sends all of it again
            done = 0
        rest = int(response.headers.get("Content-Length", 0))
        total = done + rest
        name = url.rsplit("/", 1)[1]
        with (
            part.open("ab" if done else "wb") as file,
            track(f"{name}, MB", round(total / MEGABYTE)) as advance,
        ):
            shown = 0
            for chunk in _chunks(response):
                file.write(chunk)
                done += len(chunk)
                advance(done // MEGABYTE - shown)
                shown = done // MEGABYTE
        if done < total:
            raise requests.ConnectionError(f"{total - done} bytes are missing")


def _chunks(response: Any) -> Iterator[bytes]:
    import requests

    try:
        yield from response.iter_content(CHUNK_BYTES)
    except requests.exceptions.ChunkedEncodingError as error:  # the connection was cut
        raise requests.ConnectionError(str(error)) from error


def _training_pictures(names: Mapping[int, str]) -> Callable[[str], str | None]:
    def place(member: str) -> str | None:
        match = TRAINING_PICTURE.fullmatch(member)
        if match is None or int(match[1]) not in names:
            return None
        return f"{names[int(match[1])]}/{match[2]}"

    return place


def _test_pictures(labels: Path, names: Mapping[int, str]) -> Callable[[str], str | None]:
    with zipfile.ZipFile(labels) as archive, archive.open(TEST_LABELS) as file:
        rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"), delimiter=";")
        numbers = {row["Filename"]: int(row["ClassId"]) for row in rows}

    def place(member: str) -> str | None:
        match = TEST_PICTURE.fullmatch(member)
        if match is None or numbers[match[1]] not in names:
            return None
        return f"{names[numbers[match[1]]]}/{match[1]}"

    return place


def _unpack(folder: Path, archive: Path, place: Callable[[str], str | None]) -> int:
    """Write the members that `place` gives a path under the folder, all or none; gives how many.

    Members are never written under their own names, so none can leave the folder.
    """
    staging = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    with zipfile.ZipFile(archive) as packed:
        placed = [(member, target) for member in packed.namelist() if (target := place(member))]
        with track(f"unpack {archive.name}", len(placed)) as advance:
            for member, target in placed:
                path = staging / target
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as source, path.open("wb") as file:
                    shutil.copyfileobj(source, file)
                advance(1)
    if folder.exists():
        shutil.rmtree(folder)
    staging.rename(folder)
    return len(placed)
