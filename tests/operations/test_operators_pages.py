"""What operators and developers open: health, metrics, the reference of the API."""

import re

import httpx

from support.schools import School


async def test_the_process_says_that_it_lives_and_that_it_can_serve(http: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await http.get(path)
        assert (answer.status_code, answer.text) == (200, "ok")


async def test_metrics_count_requests_by_route_and_not_by_path(school: School) -> None:
    await school.get("/students")
    await school.request("FROBNICATE", "/students")
    metrics = (await school.http.get("/metrics")).text
    assert 'route="/orgs/{org_id}/students"' in metrics
    assert str(school.org_id) not in metrics
    assert "FROBNICATE" not in metrics


async def test_the_reference_needs_no_other_server(http: httpx.AsyncClient) -> None:
    home = await http.get("/")
    assert (home.status_code, home.headers["location"]) == (303, "/api/docs")
    page = (await http.get("/api/docs")).text
    assert not re.search(r"(src|href)=\"https?://", page)
    for asset in re.findall(r"(?:src|href)=\"(/[^\"]+)\"", page):
        assert (await http.get(asset)).status_code == 200, asset
    described = (await http.get("/api/v1/openapi.json")).json()
    assert "/api/v1/orgs/{org_id}/bookings" in described["paths"]


async def test_every_answer_carries_the_security_headers_and_the_request_id(http: httpx.AsyncClient) -> None:
    answer = await http.get("/healthz", headers={"X-Request-ID": "trace-1"})
    assert answer.headers["x-request-id"] == "trace-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    odd = await http.get("/healthz", headers={"X-Request-ID": "not allowed\t!"})
    assert re.fullmatch(r"[0-9a-f]{32}", odd.headers["x-request-id"])
