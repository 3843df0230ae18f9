"""The body of a request: bounded in size and in time, never on disk; the pictures in it."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header
from starlette.exceptions import HTTPException

from signwise.service.limits import Body, Limits, too_large, too_many

FIELD = "files"
"""The name of the parts that hold pictures."""
_REFUSED_TYPES = ("application/json", "application/x-www-form-urlencoded")
_OTHER_FIELDS = 16
"""Parts of other names that a form may bring along."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One picture as it was sent."""

    name: str | None
    """The file name that the client gave; None where it gave none."""
    content: bytes


async def read_pictures(request: Request, limits: Limits, body: Body) -> list[Sent]:
    """The pictures of a multipart form, or the body as one picture.

    Raises HTTPException: 408, 413, 415, 422, 503.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    media_type = kind.decode("latin-1").lower()
    if media_type in _REFUSED_TYPES or media_type.endswith("+json"):
        raise HTTPException(
            415,
            f"{media_type} holds no picture: send multipart/form-data with parts named"
            f" {FIELD!r}, or one picture as the body, as image/png",
        )
    if not media_type.startswith("multipart/"):
        return [Sent(None, await read_body(request, limits, body))]
    if media_type != "multipart/form-data":
        raise HTTPException(415, f"{media_type} is not supported: send multipart/form-data")
    if not options.get(b"boundary"):
        raise HTTPException(422, "the multipart form names no boundary")
    return await _read_form(request, options[b"boundary"], limits, body)


async def read_body(request: Request, limits: Limits, body: Body) -> bytes:
    """The whole body. Raises HTTPException: 408, 413, 415, 503."""
    return b"".join([chunk async for chunk in _chunks(request, limits, body)])


async def _chunks(request: Request, limits: Limits, body: Body) -> AsyncIterator[bytes]:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "a compressed body is not supported: send it as it is")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.body_bytes:
        raise too_large(limits)
    clock = asyncio.get_running_loop().time
    end = clock() + limits.body_seconds
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(min(end, clock() + limits.idle_seconds)):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise HTTPException(
                408, "the body came too slowly", headers={"Connection": "close"}
            ) from None
        if chunk is None:
            return
        body.add(len(chunk))
        yield chunk


async def _read_form(request: Request, boundary: bytes, limits: Limits, body: Body) -> list[Sent]:
    found: list[Sent] = []
    others = 0
    ended = False

    def take(name: bytes | None, file_name: bytes | None, content: bytes) -> None:
        nonlocal others
        if name == FIELD.encode():
            text = None if file_name is None else file_name.decode("utf-8", "backslashreplace")
            found.append(Sent(text, content))
        else:
            others += 1
        if len(found) > limits.pictures:
            raise too_many(limits)
        if others > _OTHER_FIELDS:
            raise HTTPException(413, f"more than {_OTHER_FIELDS} fields that hold no picture")

    def on_file(file: File) -> None:
        assert isinstance(file.file_object, io.BytesIO), "no part is written to disk"
        take(file.field_name, file.file_name, file.file_object.getvalue())

    def on_field(field: Field) -> None:
        take(field.field_name, None, field.value or b"")

    def on_end() -> None:
        nonlocal ended
        ended = True

    try:
        parser = FormParser(
            "multipart/form-data",
            on_field,
            on_file,
            on_end,
            boundary=boundary,
            config={"MAX_MEMORY_FILE_SIZE": limits.body_bytes, "UPLOAD_ERROR_ON_BAD_CTE": True},
        )
        async for chunk in _chunks(request, limits, body):
            parser.write(chunk)
        parser.finalize()
    except FormParserError:
        raise HTTPException(422, "the multipart form is damaged") from None
    if not ended:
        raise HTTPException(422, "the multipart form is cut off")
    if not found:
        raise HTTPException(422, f"the form has no part named {FIELD!r}")
    return found
