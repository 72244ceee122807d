"""How the agent gets installed, in the order of trying: a strategy makes a release; activation is the same for all."""

from d8.build.strategies.base import Strategy, discard_release
from d8.build.strategies.venv import VenvStrategy

STRATEGIES: tuple[Strategy, ...] = (VenvStrategy(),)

__all__ = ["STRATEGIES", "Strategy", "discard_release"]
