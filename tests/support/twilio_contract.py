"""Twilio's own description of its API, and checks of requests and answers against it."""

import gzip
import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema_rs
import pytest

NAME = "twilio-api-v2010-2026-04-14.json.gz"
_FOLDERS = (os.environ.get("DRIVEFLOW_CONTRACTS"), Path(__file__).parents[2].parent / "shared" / "contracts")
_MESSAGES = "/2010-04-01/Accounts/{AccountSid}/Messages.json"


@cache
def description() -> Any:
    """Return the description; skips the test where the file is not there."""
    for folder in _FOLDERS:
        if folder is not None and (path := Path(folder) / NAME).exists():
            return json.loads(gzip.decompress(path.read_bytes()))
    pytest.skip(f"{NAME} is neither in DRIVEFLOW_CONTRACTS nor in ../shared/contracts")


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Return a validator of a schema of the description; `nullable` of OpenAPI 3.0 is understood."""
    return jsonschema_rs.Draft202012Validator(
        _modern({**schema, "components": description()["components"]}), validate_formats=False
    )


def refuse_bad_request(body: bytes) -> dict[str, str]:
    """Check the form that creates a message: each parameter is known and fits; return it."""
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    content = description()["paths"][_MESSAGES]["post"]["requestBody"]["content"]
    schema = content["application/x-www-form-urlencoded"]["schema"]
    unknown = form.keys() - schema["properties"].keys()
    assert not unknown, f"Twilio knows no parameters {unknown}"
    validator(schema).validate(form)
    return form


def check_message(resource: Any) -> None:
    """Check a message resource, all of whose fields Twilio always sends."""
    schema = {"$ref": "#/components/schemas/api.v2010.account.message"}
    validator(schema).validate(resource)
    known = description()["components"]["schemas"]["api.v2010.account.message"]["properties"]
    assert resource.keys() == known.keys()


def check_account(resource: Any) -> None:
    """Check an account resource."""
    validator({"$ref": "#/components/schemas/api.v2010.account"}).validate(resource)


def _modern(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_modern(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _modern(value) for name, value in schema.items() if name != "nullable"}
    if schema.get("nullable"):
        return {"anyOf": [made, {"type": "null"}]}
    return made
