"""The containers and images of the agent: how they are called, asked for and removed. Docker is called as root."""

from __future__ import annotations

import grp
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from slave_agent.activation.agent_user import find_agent_user
from slave_agent.activation.commands import Runner
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import HELPER_FOLDER, Layout

IMAGE = "localhost/d8-agent"  # a registry that does not exist: nothing of ours is ever asked for outside
AGENT, STAGING = "d8-agent", "d8-agent-staging"
JOURNAL_FOLDERS = ("/var/log/journal", "/run/log/journal")
JOURNAL_GROUP = "systemd-journal"
COMPOSE_SECONDS = 50.0


@dataclass(frozen=True)
class Container:
    """One container of the agent: its name, its release and image, the folder of its sockets, the agent's words."""

    name: str
    release: Path
    image: str
    sockets: Path
    arguments: tuple[str, ...]

    def environment(self, layout: Layout, watchdog_usec: str) -> Mapping[str, str]:
        """Return what the release's docker-compose.yml asks the environment for. Raises ActivationError."""
        owner = find_agent_user()
        if owner is None:
            raise ActivationError("The agent has no user here.", "Run install first.")
        return {
            "D8_IMAGE": self.image,
            "D8_CONTAINER": self.name,
            "D8_USER": f"{owner.user_id}:{owner.group_id}",
            "D8_JOURNAL_GROUP": str(_group_id(JOURNAL_GROUP, owner.group_id)),
            "D8_RELEASE": str(self.release),
            "D8_STATE": str(layout.var),
            "D8_SOCKETS": str(self.sockets),
            "D8_HELPER": str(HELPER_FOLDER),
            "D8_WATCHDOG_USEC": watchdog_usec,
            "D8_ARGUMENTS": " ".join(self.arguments),
        }


def compose(runner: Runner) -> list[str]:
    """Return the words that call compose here: Docker's plugin, else the program. Raises ActivationError."""
    for words in (["docker", "compose"], ["docker-compose"]):
        if runner.run([*words, "version"]).is_ok:
            return words
    raise ActivationError("There is no docker compose here.", "Install docker-compose 1.29 or newer.")


def create(runner: Runner, container: Container, environment: Mapping[str, str]) -> None:
    """Make the container anew, not started yet; one that runs under its name is stopped. Raises ActivationError."""
    extra = container.sockets / "journals.json"
    folders = [f"{folder}:{folder}:ro" for folder in JOURNAL_FOLDERS if Path(folder).is_dir()]
    extra.write_text(journals_document(folders), encoding="utf-8")
    files = ["--file", str(container.release / "docker-compose.yml"), "--file", str(extra)]
    words = [*compose(runner), "--project-name", container.name, *files, "up", "--no-start", "--force-recreate"]
    made = runner.run([*words, "--no-build"], env=environment, timeout_seconds=COMPOSE_SECONDS)
    if not made.is_ok:
        raise ActivationError(f"The container could not be made: {made.reason}", "Ask: journalctl -u docker")


def journals_document(folders: list[str]) -> str:
    """Return the compose file that adds the journals that are there: Docker would make the ones that are not."""
    volumes = ", ".join(f'"{folder}"' for folder in folders)
    return f'{{"services": {{"agent": {{"volumes": [{volumes}]}}}}}}\n'


def prune_images(runner: Runner, kept: Collection[str | None]) -> None:
    """Remove the agent's images but those of the commits that are kept. Without Docker there are none."""
    if not has_docker():
        return
    listed = runner.run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", IMAGE]).stdout.split()
    gone = [image for image in listed if image.rpartition(":")[2] not in kept]
    if gone:
        runner.run(["docker", "image", "rm", "--force", *gone])


def remove_all(runner: Runner) -> None:
    """Remove the agent's containers and images; Docker itself stays."""
    if has_docker():
        runner.run(["docker", "rm", "--force", AGENT, STAGING])
        prune_images(runner, ())


def has_docker() -> bool:
    """Whether there is a Docker client."""
    return shutil.which("docker", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin") is not None


def _group_id(name: str, otherwise: int) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return otherwise
