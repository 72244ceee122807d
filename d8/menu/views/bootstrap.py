"""What is shown while the bootstrap is brought to a machine over ssh."""

from __future__ import annotations

from rich.text import Text

from d8.fleet.ssh_host_keys import HostKey
from d8.fleet.ssh_target import Target
from d8.menu.views.printable import printable
from d8.menu.views.screen import Screen
from d8.messages import message


def show_script_line(screen: Screen, line: str) -> None:
    """Given a line that the install script printed there, show it as the slave's, not ours."""
    screen.draw(Text(f"{screen.marks.bar} {printable(line)}", style="note"))


def draw_installed(screen: Screen, target: Target, key: HostKey | None) -> None:
    """Given what ssh had to do (no key: nothing), say how far it is."""
    screen.gap()
    if key is None:
        screen.good(message("{host} answers already: nothing to do over ssh", host=target.host))
    else:
        screen.good(message("The bootstrap runs on {host} (host key {key})", host=target.name, key=key.fingerprint))
