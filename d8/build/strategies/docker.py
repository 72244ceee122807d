"""Strategy A: the agent in a container of the host's Docker, its image made on the slave from the release."""

from __future__ import annotations

from dataclasses import dataclass

from d8.build.command_failed import CommandFailed, last_output
from d8.build.context import BuildContext
from d8.build.examination import ask_facts
from d8.build.progress import Step
from d8.build.strategies.base import discard_release, unpack_release
from d8.build.strategies.libraries import bring_pip, send_wheels
from d8.commands import docker, venv
from d8.commands.preflight import MINIMUM_PYTHON, HostFacts
from d8.congress.diagnosis import diagnose
from d8.errors import BuildFailed, PermanentFailure
from d8.messages import Message, message
from d8.models import StrategyName

MEGABYTE = 2**20
NO_SUCH_PACKAGE = "docker-installation-failed"
NEEDED_DISK = {True: 700 * MEGABYTE, False: 1500 * MEGABYTE}  # with Docker there, and without it
NEEDED_MEMORY = {True: 200 * MEGABYTE, False: 400 * MEGABYTE}


@dataclass(frozen=True)
class DockerStrategy:
    """A container. Given the base image of the agent's own, and whether Docker may be installed where it is missing."""

    base_image: str
    may_install: bool = True
    name: StrategyName = StrategyName.DOCKER

    def impossible_because(self, facts: HostFacts) -> Message | None:
        """Given the host's facts, return why the agent can't run in a container there, or None."""
        return _unfit_host(facts) or (self._unfit_docker(facts) if facts.docker.has_client else self._no_docker(facts))

    def install(self, context: BuildContext) -> None:
        """Given the build, make the release and the agent's image; the image proves that the agent imports."""
        facts = self._docker_there(context)
        unpack_release(context, self.name, facts.python)
        context.require(
            docker.bring_base(self.base_image), message("fetching the base image {image}", image=self.base_image)
        )
        base = self._base(context)
        inside = base.of_host(facts)
        pip = bring_pip(context)
        locks = {lock: context.wheels.libraries(lock, inside) for lock in (venv.REQUIREMENTS, venv.PSUTIL)}
        if pip is None or not all(locks.values()):
            raise BuildFailed(
                "the master has no wheels for Python {python} on {architecture} ({libc}), which the base image has",
                "The master downloads them once: check its internet connection and repeat.",
                python=".".join(map(str, base.python)),
                architecture=facts.architecture,
                libc=base.libc,
            )
        folders = [send_wheels(context, f"image-{number}", wheels) for number, wheels in enumerate(locks.values())]
        commit = context.commit.hash
        build = docker.build(context.release, commit, self.base_image, (pip, *folders), not base.has_systemctl)
        context.require(build, message("building the agent's image"))

    def discard(self, context: BuildContext) -> None:
        """Given a build, remove the image, what a broken build of it left, and the release."""
        remove = context.facts.as_owner(docker.remove_image(context.release, context.commit.hash))
        discard_release(context)
        seconds = context.settings.command_timeout_seconds
        context.shell.run(remove, timeout_seconds=seconds, purpose=message("removing the image"))

    def _unfit_docker(self, facts: HostFacts) -> Message | None:
        found = facts.docker
        if found.engine is None:
            text = (
                "Docker is installed, but its daemon does not answer ({reason}); there: sudo systemctl restart docker"
            )
            return message(text, reason=found.problem)
        if not docker.is_recent(found.engine, docker.MINIMUM_ENGINE):
            return _too_old("Docker", found.engine, docker.MINIMUM_ENGINE)
        if found.compose and not docker.is_recent(found.compose, docker.MINIMUM_COMPOSE):
            return _too_old("docker-compose", found.compose, docker.MINIMUM_COMPOSE)
        if not found.compose and not (self.may_install and facts.package_manager in docker.PACKAGES):
            return message("there is no docker compose, and it may not be installed (D8_DOCKER_INSTALL)")
        return None

    def _no_docker(self, facts: HostFacts) -> Message | None:
        if not self.may_install:
            return message("Docker is not there, and it may not be installed (D8_DOCKER_INSTALL)")
        if not facts.has_default_route:
            return message("Docker is not there, and without a way to the internet it can't be installed")
        return None

    def _docker_there(self, context: BuildContext) -> HostFacts:
        """Install what is missing of Docker, wait for apt's lock where somebody holds it, and return the facts then."""
        facts, manager = context.facts, context.facts.package_manager
        lock_seconds = context.settings.package_lock_seconds
        if facts.docker.has_client and facts.docker.compose:
            return facts
        if facts.docker.has_client:
            context.require(docker.install_compose(str(manager), lock_seconds), message("installing docker compose"))
        else:
            self._ask_registry(context)
            text = "Docker is being installed. Nobody is added to the group docker: its members are root"
            context.progress.tell(message(text))
            self._install_docker(context, str(manager), lock_seconds)
        facts = ask_facts(context.shell, context.settings.command_timeout_seconds, Step())
        problem = self._unfit_docker(facts) if facts.docker.has_client else message("Docker is not there")
        if problem is not None or not facts.docker.compose:
            reason = problem or message("there is no docker compose")
            raise PermanentFailure("Docker was installed, but it can't be used: {reason}", reason=reason)
        return facts

    def _install_docker(self, context: BuildContext, manager: str, lock_seconds: float) -> None:
        """From the system's packages; where these hold none, with the script of Docker's makers."""
        if manager in docker.PACKAGES:
            try:
                context.require(docker.install(manager, lock_seconds), message("installing Docker"))
                return
            except CommandFailed as failure:
                if diagnose([last_output(failure)]).anchor != NO_SUCH_PACKAGE:
                    raise
        text = "this system's packages have no Docker: its makers' script is used, with which D8 was never tested"
        context.progress.warn(message(text))
        by_script = docker.install_by_script(str(context.work))
        context.require(by_script, message("installing Docker with its makers' script"))

    def _ask_registry(self, context: BuildContext) -> None:
        """Without the base image Docker would be installed for nothing."""
        host, _ = docker.registry(self.base_image)
        asked = context.shell.run(
            docker.ask_registry(context.facts.python, self.base_image),
            timeout_seconds=context.settings.command_timeout_seconds,
            purpose=message("asking the image's registry"),
        )
        if not asked.success:
            raise PermanentFailure(
                "the slave does not reach {registry}, where the base image {image} comes from: Docker is not installed",
                "Name an image that it can reach in D8_DOCKER_BASE_IMAGE, or leave docker out of D8_STRATEGIES.",
                registry=host,
                image=self.base_image,
            )

    def _base(self, context: BuildContext) -> docker.ImageFacts:
        asked = context.require(docker.ask_base(self.base_image), message("asking what the base image has"))
        try:
            base = docker.read_base(asked.stdout)
        except ValueError as problem:
            raise PermanentFailure(
                "the base image {image} is of no use: {reason}", image=self.base_image, reason=problem
            ) from problem
        if base.python < MINIMUM_PYTHON:
            raise PermanentFailure(
                "the base image {image} has Python {found}, and the agent needs {wanted}",
                "Name another image in D8_DOCKER_BASE_IMAGE.",
                image=self.base_image,
                found=".".join(map(str, base.python)),
                wanted=".".join(map(str, MINIMUM_PYTHON)),
            )
        return base


def _unfit_host(facts: HostFacts) -> Message | None:
    has_docker = facts.docker.has_client
    if not facts.is_for_root:
        if facts.docker.is_in_group:
            text = "the container needs a unit of root's; the group docker is root as well, but can't make one"
            return message(text)
        return message("Docker needs root (or sudo without a password) and systemd")
    if facts.architecture.lower() not in docker.ARCHITECTURES:
        return message("there is no image for {architecture}", architecture=facts.architecture)
    free, memory = facts.disk_free_bytes.get("/var/lib"), facts.memory_available_bytes
    if free is not None and free < NEEDED_DISK[has_docker]:
        return _too_little(message("disk"), free, NEEDED_DISK[has_docker])
    if memory is not None and memory < NEEDED_MEMORY[has_docker]:
        return _too_little(message("memory"), memory, NEEDED_MEMORY[has_docker])
    return None


def _too_little(what: Message, found: int, needed: int) -> Message:
    text = "{found} MB of {what} are free, and the image needs {needed} MB"
    return message(text, what=what, found=found // MEGABYTE, needed=needed // MEGABYTE)


def _too_old(what: str, found: str, minimum: tuple[int, int]) -> Message:
    wanted = ".".join(map(str, minimum))
    return message("{what} {wanted} or newer is needed, and there is {found}", what=what, wanted=wanted, found=found)
