"""All log streams of the agent: one for an app while somebody watches it, and how many may watch."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from slave_agent.logs import pages
from slave_agent.logs.app_stream import AppStream
from slave_agent.logs.errors import NoSuchLog, TooManyViewers
from slave_agent.logs.follower import Follower
from slave_agent.logs.holdings import Holding, Holdings, in_chunks
from slave_agent.logs.journal_reader import JournalReader
from slave_agent.logs.log_request import LogRequest
from slave_agent.logs.pages import Page, Rendering, read_page
from slave_agent.logs.past import Past
from slave_agent.logs.viewer import Viewer
from slave_agent.systemd.names import APP_NAME, unit_name

VIEWERS_OF_AN_APP = 64
VIEWERS_IN_TOTAL = 128
SHARE_OF_ONE = 7 / 8  # of the places that others leave
LOOK_SECONDS = 2.0
_CLOSE_ONE = "Close one of them; one token takes seven of eight places at most."
CHUNK_BYTES = 64 * 1024


@dataclass
class _Watched:
    """The stream of an app, its viewers, and the task that notices when the app is removed."""

    stream: AppStream
    past: Past
    noticing: asyncio.Task[None]
    viewers: dict[Viewer, str] = field(default_factory=dict)  # with whose each is


class LogHub:
    """Given the reader of the journal, whether the apps are a user's units, which apps there are, after which
    cursor the log of each begins, and the room for what is on its way to clients.
    """

    def __init__(
        self,
        reader: JournalReader,
        is_user: bool,
        is_app: Callable[[str], bool],
        begin_of: Callable[[str], str | None] = lambda _: None,
        holdings: Holdings | None = None,
    ) -> None:
        self.reader = reader
        self.is_user = is_user
        self.is_app = is_app
        self._begin_of = begin_of
        self.holdings = holdings or Holdings()
        self._watched: dict[str, _Watched] = {}

    def known(self, name: str) -> str:
        """Given a name from outside, return it if it is an app's. Raises NoSuchLog."""
        if not APP_NAME.match(name) or not self.is_app(name):
            raise NoSuchLog(name)
        return name

    @asynccontextmanager
    async def page(self, name: str, request: LogRequest, rendering: Rendering) -> AsyncIterator[tuple[Page, Holding]]:
        """Given an app, what is wanted and how it is written, give a page of its log, and what of it is to be sent,
        for as long as the block lasts. Raises JournalUnreadable.
        """
        async with self.holdings.hold(pages.LARGEST_BYTES) as held:
            page = await read_page(
                self.reader, unit_name(name), self.is_user, request, rendering.entry, self._begin_of(name)
            )
            held.fill(in_chunks(rendering.whole(page), CHUNK_BYTES), asyncio.get_running_loop().time())
            page = replace(page, entries=())
            yield page, held

    @asynccontextmanager
    async def watch(self, name: str, request: LogRequest, owner: str) -> AsyncIterator[Viewer]:
        """Given an app, what is wanted of its log and by whom, give a viewer for as long as the block lasts. The first
        one starts journalctl, the last one ends it. Raises TooManyViewers.
        """
        watched = self._admit(name, owner)
        viewer = Viewer(watched.stream, watched.past, self.holdings, request)
        watched.viewers[viewer] = owner
        try:
            yield viewer
        finally:
            viewer.leave()
            watched.viewers.pop(viewer, None)
            if not watched.viewers:
                if self._watched.get(name) is watched:
                    del self._watched[name]
                watched.noticing.cancel()
                await watched.stream.close()

    async def _notice_removal(self, name: str) -> None:
        while self.is_app(name):
            await asyncio.sleep(LOOK_SECONDS)
        if (watched := self._watched.pop(name, None)) is not None:
            watched.stream.end("the app was removed")

    def _admit(self, name: str, owner: str) -> _Watched:
        watched = self._watched.get(name)
        of_app = list(watched.viewers.values()) if watched is not None else []
        if not has_place(owner, of_app, VIEWERS_OF_AN_APP):
            raise TooManyViewers(f"{len(of_app)} viewers watch {name} already", _CLOSE_ONE)
        of_all = [one for each in self._watched.values() for one in each.viewers.values()]
        if not has_place(owner, of_all, VIEWERS_IN_TOTAL):
            raise TooManyViewers(f"{len(of_all)} viewers watch the logs of this slave", _CLOSE_ONE)
        if watched is None:
            unit = unit_name(name)
            begin = self._begin_of(name)
            past = Past(self.reader, unit, self.is_user, begin)
            stream = AppStream(
                Follower(self.reader, unit, self.is_user), past.newest, lambda: len(self._watched), begin
            )
            noticing = asyncio.create_task(self._notice_removal(name))
            watched = self._watched[name] = _Watched(stream, past, noticing)
        return watched


def has_place(owner: str, taken: Sequence[str], places: int) -> bool:
    """Given who wants a place, whose the taken ones are, and how many there are, return whether there is one. Whoever
    comes leaves some for others, however many came before. Pure.
    """
    own = sum(one == owner for one in taken)
    return own < math.ceil((places - (len(taken) - own)) * SHARE_OF_ONE)
