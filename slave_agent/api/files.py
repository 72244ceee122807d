"""PUT /api/files/NAME: an upload into the work folder, never half there. Written as it comes, so that it needs no
memory.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from slave_agent.api.exchange import Exchange
from slave_agent.api.problems import json_reply
from slave_agent.bootstrap.errors import NoRoom
from slave_agent.bootstrap.uploads import UploadFolder
from slave_agent.durable_files import sync_folder
from slave_agent.errors import HttpProblem

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Files:
    """Given the work folder, which it creates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rules = UploadFolder(folder)

    async def upload(self, exchange: Exchange) -> None:
        """PUT /api/files/NAME with X-Content-SHA256: 201 once the file is whole, checked and on the disk."""
        name = exchange.path_values["name"]
        wanted = exchange.header("x-content-sha256").lower()
        size = _announced_size(exchange)
        self._rules.check(name, wanted, size)
        part = self._folder / f".{secrets.token_hex(8)}.part"
        try:
            received = await _receive(exchange.chunks(), part)
            if not hmac.compare_digest(received, wanted):
                raise HttpProblem(422, f"the content has SHA-256 {received}, not {wanted}", "Send the file again.")
            await asyncio.to_thread(_put_in_place, part, self._folder / name)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise NoRoom("The slave's disk has no room for this file.", "Free some disk space on the slave.") from error
        finally:
            part.unlink(missing_ok=True)
        document = {"path": str(self._folder / name), "size": size, "sha256": received}
        await exchange.send(json_reply(201, document, {"Location": exchange.path}))


async def _receive(chunks: AsyncIterator[bytes], part: Path) -> str:
    """Given the chunks and a new path, write them there; return their SHA-256 (hex)."""
    digest = hashlib.sha256()
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as stream:
        async for chunk in chunks:
            digest.update(chunk)
            await asyncio.to_thread(stream.write, chunk)
        await asyncio.to_thread(_flush_to_disk, stream)
    return digest.hexdigest()


def _flush_to_disk(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _put_in_place(part: Path, path: Path) -> None:
    part.replace(path)
    sync_folder(path.parent)


def _announced_size(exchange: Exchange) -> int:
    if not exchange.headers("content-length") or exchange.content_length is None:
        raise HttpProblem(411, "the upload does not say how long it is", "Send Content-Length.")
    return exchange.content_length
