"""A server of S3 on this machine, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs
import pytest
from moto.server import ThreadedMotoServer

from signwise import places

BUCKET = "signs"


@contextmanager
def running_store() -> Iterator[pyarrow.fs.S3FileSystem]:
    """One with an empty bucket, which this process and those that it starts ask for `s3://`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
        address = "http://{}:{}".format(*running.get_host_and_port())
        patch.setenv("AWS_ENDPOINT_URL", address)
        places._system.cache_clear()
        made = pyarrow.fs.S3FileSystem(endpoint_override=address, allow_bucket_creation=True)
        made.create_dir(BUCKET)
        yield made
        running.stop()
        places._system.cache_clear()


def upload(store: pyarrow.fs.S3FileSystem, folder: Path, name: str) -> str:
    """Copy the files of a folder there; gives the folder's path."""
    for path in folder.rglob("*.*"):
        target = f"{BUCKET}/{name}/{path.relative_to(folder).as_posix()}"
        with store.open_output_stream(target) as file:
            file.write(path.read_bytes())
    return f"s3://{BUCKET}/{name}"
