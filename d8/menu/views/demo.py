"""What only the demo shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text

from d8.menu.views.printable import printable_lines
from d8.menu.views.screen import Screen
from d8.menu.views.tables import system_facts
from d8.messages import message


def draw_script_output(screen: Screen, output: str) -> None:
    """Given what the install script printed on the slave, show it as the slave's, not ours."""
    for line in printable_lines(output):
        screen.draw(Text(f"{screen.marks.bar} {line}", style="note"))


def draw_answer(screen: Screen, system: dict[str, Any]) -> None:
    """Given the agent's answer about its host (empty: nobody asked it), show it."""
    if system:
        screen.facts(system_facts(system))
    else:
        screen.warn(message("curl is not installed here; the line works wherever it is."))


def draw_next_steps(screen: Screen, folder: Path | None, slave_id: str) -> None:
    """Given the folder of a kept slave (None: it is gone), say what to try next."""
    screen.title(message("What to try next"))
    if folder is None:
        screen.say(message("Keep the slave of the demo and play with it:"))
        screen.command("python3 start_d8.py demo --keep")
        screen.say(message("The first real slave: option 10, copy the script, option 11."))
        screen.command("python3 start_d8.py")
        return
    prefix = f"D8_DATA_DIR={folder}/master python3 start_d8.py"
    screen.command(f"{prefix} status")
    screen.command(f"{prefix} exec {slave_id} -- uptime")
    screen.say(message("To end it:"))
    screen.command(f"{prefix} remove {slave_id} --yes && rm -r {folder}")
