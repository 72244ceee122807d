"""Random examples take as long as they take: a slow machine is no failure."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("d8", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("d8")
