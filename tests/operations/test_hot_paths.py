"""The hot paths are answered before the framework looks for its routes: as these would, and as documented."""

import re

import httpx
from fastapi.routing import iter_route_contexts

from driveflow.core.db import Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import HOT_PATHS, create_app
from support.schools import School


async def test_a_hot_path_leads_to_the_endpoint_of_its_route(database: Database) -> None:
    app = create_app(Settings(_env_file=None), database)
    endpoints = {
        (method, route.path): (route.endpoint, getattr(route.original_route, "path", None))
        for route in iter_route_contexts(app.routes)
        for method in getattr(route, "methods", None) or ()
    }
    for hot in HOT_PATHS:
        full_path = re.sub(r"\(\?P<(\w+)>\[\^/\]\+\)", r"{\1}", hot.pattern.pattern)
        assert endpoints[hot.method, full_path] == (hot.endpoint, hot.path), full_path


async def test_refusals_of_a_hot_path_are_problems_with_headers_and_are_counted_by_its_route(
    school: School, http: httpx.AsyncClient
) -> None:
    answer = await school.request("GET", "/slots", expect=None)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await http.get(f"/api/v1/orgs/{school.org_id}/slots")).status_code == 401
    metrics = (await http.get("/metrics")).text
    assert re.search(
        r'requests_total\{method="GET",route="/orgs/\{org_id\}/slots",status="422"\} [1-9]', metrics
    )


async def test_other_methods_of_a_hot_path_are_refused_by_its_route(school: School) -> None:
    answer = await school.request("DELETE", "/slots")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
