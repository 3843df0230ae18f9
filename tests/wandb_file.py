"""Read the offline file of a run of Weights & Biases, which has no reader of its own in Python."""

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def wandb_records(file: Path) -> list[Any]:
    """The records of an offline file, once it is whole: wandb may write its end after finish()."""
    deadline = time.monotonic() + 300
    while True:
        records = list(leveldb_records(file.read_bytes()))
        if records and records[-1].WhichOneof("record_type") == "exit":
            return records
        assert time.monotonic() < deadline, f"{file} has no end"
        time.sleep(0.05)


def leveldb_records(content: bytes) -> Iterator[Any]:
    """The whole records of LevelDB's log format: blocks of 32 KiB, here after 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    position, record = 7, b""
    while position + 7 <= len(content):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        if position + 7 + length > len(content):
            return
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # full, or the last piece
            yield Record.FromString(record)
            record = b""
