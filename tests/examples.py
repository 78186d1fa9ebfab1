"""How many examples each property is tried with: a quarter of them in daily work, some more in CI.

`--hypothesis-profile full` tries all of them.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("full", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("full"), max_examples=30)
settings.register_profile("dev", settings.get_profile("full"), max_examples=25)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def examples(count: int) -> settings:
    """Settings of a property that is tried with `count` examples in all, where most are tried with 100."""
    return settings(max_examples=count * settings.default.max_examples // 100)
