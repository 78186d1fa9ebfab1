"""One Slurm for all tests of a file; or the one of SMOLTUI_TEST_SLURM_CONF, such as one with accounting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from smoltui.backends import services
from tests.slurm.cluster import Cluster, running_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if conf := os.environ.get("SMOLTUI_TEST_SLURM_CONF"):
        yield Cluster.at(Path(conf))
        return
    with running_cluster() as found:
        yield found


@pytest.fixture
def slurm(cluster: Cluster, own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster, as Slurm's commands find it."""
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    monkeypatch.setenv("PATH", cluster.env["PATH"])
    monkeypatch.setattr(services, "is_installed", lambda place: True)
    return cluster
