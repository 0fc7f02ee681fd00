"""Route of phone trackers that speak the OsmAnd protocol, such as Traccar Client.

The token in the report names the trip and is the right to write to it; no API key is needed. The app sends a
report again until it is answered with 200, so 200 is also the answer when every fix was refused.
"""

from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from driveflow.core.errors import InvalidInputError
from driveflow.entrypoints import hot
from driveflow.entrypoints.api.schemas import PROBLEMS
from driveflow.entrypoints.api.trips import RecordedOut
from driveflow.entrypoints.deps import SafeRoute, refuse_deep_json, services_of
from driveflow.entrypoints.error_responses import is_json
from driveflow.trips.osmand import OsmandReport, parse_json, parse_query
from driveflow.trips.recording import record_from_device

router = APIRouter(
    route_class=SafeRoute,
    tags=["gps"],
    responses={status: PROBLEMS[status] for status in (400, 404, 413, 422, 429, 503)},
)

_MAX_PARAMETERS = 100
_DESCRIBED = {
    "security": [],
    "parameters": [
        {
            "name": "id",
            "in": "query",
            "schema": {"type": "string"},
            "description": "Device token of the trip; here, in a form, or as `device_id` in JSON",
        }
    ],
}


@router.get("/gps/osmand", response_model=RecordedOut, openapi_extra=_DESCRIBED)
async def report_by_query(request: Request) -> Response:
    """Store the fix in the query: `id`, `lat`, `lon`, `timestamp`, `speed` (knots), `accuracy` (m)."""
    return await _record(request, parse_query(request.query_params))


@router.post("/gps/osmand", response_model=RecordedOut, openapi_extra=_DESCRIBED)
async def report_by_body(request: Request) -> Response:
    """Store the fixes in the JSON of Traccar Client 9, or the one in a form or the query as before."""
    body = await request.body()
    if is_json(request):
        return await _record(request, parse_json(_decoded(body)))
    try:
        form = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise InvalidInputError("The body is not a form.") from error
    return await _record(request, parse_query({**request.query_params, **dict(form)}))


async def _record(request: Request, report: OsmandReport) -> Response:
    services = services_of(request)
    # A token that has proved itself has a rate of its own; guesses count against their address.
    caller = f"device {report.device_token}"
    address = request.client.host if request.client else None
    services.rate_limits.check(caller, address)
    recorded = await record_from_device(
        services.database, report.device_token, report.fixes, now=services.clock()
    )
    services.rate_limits.proven(caller, address)
    return hot.json_response(recorded)


def _decoded(body: bytes) -> object:
    refuse_deep_json(body)
    try:
        decoded: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = {"type": "json_invalid", "loc": ("body",), "msg": "JSON decode error"}
        raise RequestValidationError([problem]) from error
    return decoded
