"""How the agent gets installed, in the order of trying: a strategy makes a release; activation is the same for all."""

from d8.build.strategies.base import Strategy, discard_release
from d8.build.strategies.docker import DockerStrategy
from d8.build.strategies.native import NativeStrategy
from d8.build.strategies.venv import VenvStrategy
from d8.settings import Settings


def available(settings: Settings) -> tuple[Strategy, ...]:
    """Given the settings, return every strategy there is, in the order of trying."""
    docker = DockerStrategy(settings.docker_base_image, settings.docker_may_be_installed)
    return (docker, VenvStrategy(), NativeStrategy())


def chosen(settings: Settings) -> tuple[Strategy, ...]:
    """Given the settings, return the strategies that the operator wants tried, in the wanted order."""
    by_name = {strategy.name: strategy for strategy in available(settings)}
    return tuple(by_name[name] for name in settings.strategies if name in by_name)


__all__ = ["Strategy", "available", "chosen", "discard_release"]
