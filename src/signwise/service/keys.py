"""API keys: from a file, as `Authorization: Bearer KEY`."""

import hmac
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from signwise.errors import SignwiseError
from signwise.opening import read_regular

LEAST_LENGTH = 16
MOST_BYTES = 2**20
"""Of a file of keys."""
_bearer = HTTPBearer(auto_error=False, description="A key of the file that the service was given.")


def read_keys(path: Path | None) -> tuple[str, ...]:
    """The keys of the file, one a line; none without a file.

    Raises SignwiseError where the file can't be read, or holds no key of a length worth the name.
    """
    if path is None:
        return ()
    try:
        lines = read_regular(path, MOST_BYTES).decode("utf-8").split()
    except (OSError, UnicodeError):
        raise SignwiseError(f"`api_key_file` {path} can't be read as text") from None
    if not lines or min(map(len, lines)) < LEAST_LENGTH:
        raise SignwiseError(
            f"`api_key_file` {path} must hold a key a line, of at least {LEAST_LENGTH} characters:"
            " make one with python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return tuple(lines)


def key_check(keys: tuple[str, ...]) -> Callable[..., Coroutine[Any, Any, None]]:
    """A dependency of routes that lets in who has one of the keys; raises HTTPException 401."""

    async def check(
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> None:
        text = given.credentials.encode() if given else b""
        # Every key is compared, each in the same time: a clock tells nothing.
        if not sum(hmac.compare_digest(text, key.encode()) for key in keys):
            raise HTTPException(
                401,
                "an API key is needed: send Authorization: Bearer KEY",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return check
