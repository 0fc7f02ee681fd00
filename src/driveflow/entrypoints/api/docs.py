"""The API reference for people, without a request to anybody else's server."""

from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

ASSETS = "/api/docs/assets"

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home() -> RedirectResponse:
    """Lead a visitor to the reference."""
    return RedirectResponse("/api/docs", 303)


@router.get("/api/docs", response_class=HTMLResponse)
async def reference(request: Request) -> HTMLResponse:
    """Return Swagger UI with our own copies of its files."""
    return get_swagger_ui_html(
        openapi_url=str(request.app.openapi_url),
        title="DriveFlow API",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
    )


def mount_assets(app: FastAPI) -> None:
    """Serve Swagger UI's files out of the installed package `fastapi-offline`."""
    app.mount(ASSETS, StaticFiles(directory=Path(fastapi_offline.__file__).parent / "static"), name="docs")
