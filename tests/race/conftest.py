"""A contest of many students on a server of its own, watched for deadlocks and for its 99th percentile."""

from collections.abc import Iterator

import pytest

from support.contest import CROWD, Contest, deadlocks, open_contest, warm_up
from support.databases import Cluster, wait_for
from support.figures import note_figure
from support.live_server import live_server

P99_LIMIT_S = 1.0
"""The promise of a racing client; `make test` runs these tests alone, after the others."""


@pytest.fixture(scope="module")
def whole_contest(cluster: Cluster) -> Iterator[Contest]:
    """A school with all the students; its races must meet no deadlock."""
    with cluster.clone() as url:
        with live_server(url) as server:
            made = wait_for(open_contest(url, server.base_url, CROWD))
            wait_for(warm_up(made))
            yield made
        assert wait_for(deadlocks(url)) == 0


@pytest.fixture(params=(2, CROWD), ids=lambda number: f"{number} clients")
def contest(request: pytest.FixtureRequest, whole_contest: Contest) -> Iterator[Contest]:
    """A contest of two, and of all; its answers must come soon."""
    made = whole_contest.of(request.param)
    yield made
    note_figure(
        request, f"{request.node.name}: {len(made.latencies_s)} requests, p99 {made.p99_s() * 1000:.0f} ms"
    )
    assert made.p99_s() < P99_LIMIT_S
