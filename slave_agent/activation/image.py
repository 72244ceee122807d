"""The agent's image for Docker, made on the slave from the release and the wheels that came with it."""

from __future__ import annotations

import shutil
from pathlib import Path

from slave_agent.activation.commands import Runner
from slave_agent.activation.containers import IMAGE
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import remove_tree, write_file
from slave_agent.activation.libraries import INSTALL_SECONDS, Preparation, must

HAS_SYSTEMCTL = "command -v systemctl >/dev/null && command -v journalctl >/dev/null"


def make_image(release: Path, wanted: Preparation, runner: Runner) -> None:
    """Given the unpacked release and what is wanted, make the image and note its name. Raises ActivationError."""
    base = wanted.base_image
    if not base or wanted.wheels is None:
        raise ActivationError("An image needs its base image and the wheels.", "Send both.")
    if not runner.run(["docker", "image", "inspect", base]).is_ok:
        pulled = runner.run(["docker", "pull", "--quiet", base], timeout_seconds=INSTALL_SECONDS)
        must(pulled, f"The base image {base} could not be fetched")
    context = release / "wheels"
    remove_tree(context)
    shutil.copytree(wanted.wheels, context)
    tagged = f"{IMAGE}:{wanted.commit}"
    words = ["docker", "build", *_network(base, runner), "--build-arg", f"D8_DOCKER_BASE_IMAGE={base}"]
    made = runner.run(
        [*words, "--tag", tagged, "--file", str(release / "Dockerfile"), str(release)], timeout_seconds=INSTALL_SECONDS
    )
    runner.run(["docker", "image", "prune", "--force", "--filter", "label=d8-agent"])
    remove_tree(context)
    must(made, "The agent's image could not be built")
    write_file(release / "image", tagged + "\n", 0o644)


def _network(base: str, runner: Runner) -> list[str]:
    """Where the base image has systemctl already, building needs nothing from outside, and gets nothing."""
    run = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", base, "-c", HAS_SYSTEMCTL]
    return ["--network", "none"] if runner.run(run, timeout_seconds=120).is_ok else []
