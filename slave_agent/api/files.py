"""PUT /api/files/NAME: an upload into the work folder, never half there. Written as it comes, so that it needs no
memory.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from slave_agent.api.exchange import Exchange
from slave_agent.api.problems import json_reply
from slave_agent.durable_files import sync_folder
from slave_agent.errors import HttpProblem

RESERVE_BYTES = 32 * 1024 * 1024  # what an upload leaves free on the disk, so that the agent can still write its state
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Files:
    """Given the work folder, which it creates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        for left_over in folder.glob(".*.part"):
            left_over.unlink()

    async def upload(self, exchange: Exchange) -> None:
        """PUT /api/files/NAME with X-Content-SHA256: 201 once the file is whole, checked and on the disk."""
        name = exchange.path_values["name"]
        if not _NAME.match(name):
            raise HttpProblem(422, "that is not a name for a file", "Use letters, digits, dot, dash and underscore.")
        wanted = _wanted_sha256(exchange)
        size = _announced_size(exchange)
        if size + RESERVE_BYTES > shutil.disk_usage(self._folder).free:
            raise _no_room()
        part = self._folder / f".{secrets.token_hex(8)}.part"
        try:
            received = await _receive(exchange.chunks(), part)
            if not hmac.compare_digest(received, wanted):
                raise HttpProblem(422, f"the content has SHA-256 {received}, not {wanted}", "Send the file again.")
            await asyncio.to_thread(_put_in_place, part, self._folder / name)
        except OSError as error:
            raise _no_room() if error.errno in _NO_ROOM else error from error
        finally:
            part.unlink(missing_ok=True)
        document = {"path": str(self._folder / name), "size": size, "sha256": received}
        await exchange.send(json_reply(201, document, {"Location": exchange.path}))


async def _receive(chunks: AsyncIterator[bytes], part: Path) -> str:
    """Given the chunks and a new path, write them there; return their SHA-256 (hex)."""
    digest = hashlib.sha256()
    with os.fdopen(
        os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb", buffering=0
    ) as stream:
        async for chunk in chunks:
            digest.update(chunk)
            await asyncio.to_thread(stream.write, chunk)
        await asyncio.to_thread(os.fsync, stream.fileno())
    return digest.hexdigest()


def _put_in_place(part: Path, path: Path) -> None:
    part.replace(path)
    sync_folder(path.parent)


def _wanted_sha256(exchange: Exchange) -> str:
    wanted = exchange.header("x-content-sha256").lower()
    if not _SHA256.match(wanted):
        raise HttpProblem(
            422, "the header X-Content-SHA256 is missing or not a SHA-256", "Send the file's SHA-256 in hex."
        )
    return wanted


def _announced_size(exchange: Exchange) -> int:
    if not exchange.headers("content-length") or exchange.content_length is None:
        raise HttpProblem(411, "the upload does not say how long it is", "Send Content-Length.")
    return exchange.content_length


def _no_room() -> HttpProblem:
    return HttpProblem(507, "the slave's disk has no room for this file", "Free some space on the slave.")
