"""The output of a command as lines for whoever watches, while it comes in pieces."""

from __future__ import annotations

from d8.build.events import Observer, OutputLine
from d8.masking import Masker, MaskingStream

LONGEST_LINE = 64 * 1024  # characters; of a longer one the rest counts as another line


class LiveLines:
    """Turns chunks of two streams into masked whole lines. Given the masker and who watches."""

    def __init__(self, masker: Masker, observer: Observer) -> None:
        self._observer = observer
        self._streams = (MaskingStream(masker), MaskingStream(masker))
        self._rests = ["", ""]

    def feed(self, *chunks: str) -> None:
        """Given the next chunk of each stream, tell of the lines that are whole by now."""
        for index, chunk in enumerate(chunks):
            self._emit(index, self._streams[index].feed(chunk))

    def flush(self) -> None:
        """Tell of what is left when the streams have ended."""
        for index, stream in enumerate(self._streams):
            self._emit(index, stream.flush())
            if self._rests[index].strip():
                self._observer(OutputLine(self._rests[index]))

    def _emit(self, index: int, text: str) -> None:
        *lines, self._rests[index] = (self._rests[index] + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if len(self._rests[index]) > LONGEST_LINE:
            lines, self._rests[index] = [*lines, self._rests[index]], ""
        for line in lines:
            if line.strip():
                self._observer(OutputLine(line))
