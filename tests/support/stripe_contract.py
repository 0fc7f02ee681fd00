"""Stripe's own OpenAPI description, read as a judge: of what we send, and of what the sandbox answers.

The description is Stripe's and is never kept in this repository. It is looked for in the folder that
DRIVEFLOW_CONTRACTS names, else beside the repository in `../shared/contracts`; tests that need it skip with a
reason where it is absent.

`assert_request_valid("POST", "/v1/refunds", "amount=500&payment_intent=pi_1")` fails for anything that Stripe
would not accept: unknown parameters at any depth, wrong types, missing ones. `assert_object_valid(document)`
fails for an object that does not look like Stripe's, or says more than Stripe's does. After a test with a
sandbox, `assert_requests_valid(sandbox.control.requests())` judges all that was sent in it.
"""

import gzip
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from driveflow.sandbox.stripe import forms

FILE = "stripe-openapi-2026-08-26.json.gz"
_REPOSITORY = Path(__file__).resolve().parents[2]
_PLACEHOLDER = re.compile(r"\{\w+\}")
_FORM = "application/x-www-form-urlencoded"
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def contract_path(name: str = FILE) -> Path:
    """Return where a description would be."""
    folder = os.environ.get("DRIVEFLOW_CONTRACTS")
    return (Path(folder) if folder else _REPOSITORY.parent / "shared" / "contracts") / name


needs_contract = pytest.mark.skipif(
    not contract_path().is_file(),
    reason=f"{FILE} is not in ../shared/contracts, nor in the folder that DRIVEFLOW_CONTRACTS names",
)


@cache
def description() -> dict[str, Any]:
    """Return Stripe's description."""
    with gzip.open(contract_path()) as file:
        document: dict[str, Any] = json.load(file)
    return document


@cache
def _schemas() -> dict[str, Any]:
    """Return the described objects as JSON Schema that refuses what they do not have."""
    strict: dict[str, Any] = _strict(description()["components"]["schemas"])
    return strict


def _strict(schema: Any) -> Any:
    """Turn OpenAPI 3.0 into JSON Schema: `nullable` becomes a type, objects are closed."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {
        name: _strict(item)
        for name, item in schema.items()
        if name != "description" or not isinstance(item, str)
    }
    if schema.get("type") == "object" and "properties" in schema:
        inner.setdefault("additionalProperties", False)
    if inner.pop("nullable", None) is True:
        return {"anyOf": [inner, {"type": "null"}]}
    return inner


@cache
def _names() -> dict[str, str]:
    """Return the schema of each value of `object`; of several, the one that is not a deleted object's."""
    names: dict[str, str] = {}
    for name, schema in description()["components"]["schemas"].items():
        kinds = schema.get("properties", {}).get("object", {}).get("enum", [])
        if len(kinds) == 1 and not name.startswith("deleted_"):
            names.setdefault(kinds[0], name)
    return {**names, **{kind: kind for kind in names if kind in description()["components"]["schemas"]}}


@cache
def _validator(schema_name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema_name}", "components": {"schemas": _schemas()}}
    )


def assert_object_valid(document: dict[str, Any]) -> None:
    """Fail if an object, a list of objects or an event does not look like Stripe's."""
    kind = document["object"]
    if kind == "list":
        assert set(document) == {"object", "data", "has_more", "url"}, sorted(document)
        for item in document["data"]:
            assert_object_valid(item)
        return
    _assert_matches(_names()[kind], document)
    if kind == "event":
        assert document["type"] in event_types(), f"Stripe has no event {document['type']}"
        assert_object_valid(document["data"]["object"])


def assert_error_valid(document: dict[str, Any]) -> None:
    """Fail if an answer other than 200 does not look like Stripe's."""
    _assert_matches("error", document)


def _assert_matches(schema_name: str, document: dict[str, Any]) -> None:
    problems = [
        f"{'.'.join(map(str, error.instance_path))}: {error.message[:300]}"
        for error in _validator(schema_name).iter_errors(document)
    ]
    assert not problems, f"{schema_name}: " + "\n".join(problems)


@cache
def event_types() -> frozenset[str]:
    """Return the types of events that an endpoint can listen to."""
    items = described("POST", "/v1/webhook_endpoints")["properties"]["enabled_events"]["items"]
    return frozenset(items["enum"])


@cache
def _operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the described operations by method and path, whatever its placeholders are called."""
    return {
        (method.upper(), _PLACEHOLDER.sub("{}", path)): operation
        for path, operations in description()["paths"].items()
        for method, operation in operations.items()
        if method in {"get", "post", "delete"}
    }


def described(method: str, path: str) -> dict[str, Any]:
    """Return the schema of the parameters of an operation, named by its template."""
    operation = _operations()[method, _PLACEHOLDER.sub("{}", path)]
    if method == "GET":
        parameters = [item for item in operation["parameters"] if item["in"] == "query"]
        return {
            "type": "object",
            "properties": {item["name"]: item["schema"] for item in parameters},
            "required": [item["name"] for item in parameters if item.get("required")],
        }
    schema: dict[str, Any] = operation["requestBody"]["content"][_FORM]["schema"]
    return schema


def _template(method: str, path: str) -> str:
    """Return the described path that a real one belongs to; one without a placeholder there comes first."""
    fitting = [
        known
        for verb, known in _operations()
        if verb == method and re.fullmatch(re.escape(known).replace(r"\{\}", "[^/]+"), path)
    ]
    assert fitting, f"Stripe has no {method} {path}"
    return min(fitting, key=lambda known: known.count("{}"))


def assert_request_valid(method: str, path: str, form: str) -> None:
    """Fail if Stripe would not accept a request; `form` is its body, or its query for GET."""
    problems = _problems(described(method, _template(method, path)), forms.decode(form), "")
    assert not problems, f"{method} {path}: " + "; ".join(problems)


def assert_requests_valid(requests: list[dict[str, Any]]) -> None:
    """Fail if Stripe would not accept one of the requests that a sandbox's control shows."""
    for request in requests:
        assert_request_valid(request["method"], request["path"], request["form"])


def _problems(schema: dict[str, Any], value: Any, name: str) -> list[str]:
    """Return what is wrong with a decoded value, whose leaves are texts."""
    if "$ref" in schema:
        return _problems(description()["components"]["schemas"][schema["$ref"].split("/")[-1]], value, name)
    if "anyOf" in schema:
        tried = [_problems(option, value, name) for option in schema["anyOf"]]
        return min(tried, key=len) if all(tried) else []
    match schema.get("type"):
        case "object":
            return _object_problems(schema, value, name)
        case "array":
            if not isinstance(value, list):
                return [f"{name} is no list"]
            return [
                problem
                for at, item in enumerate(value)
                for problem in _problems(schema["items"], item, f"{name}[{at}]")
            ]
        case kind:
            return _leaf_problems(schema, kind, value, name)


def _object_problems(schema: dict[str, Any], value: Any, name: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{name} is no hash"]
    properties = schema.get("properties", {})
    other = schema.get("additionalProperties", False)
    problems = [
        f"{name}[{missing}] is missing" for missing in schema.get("required", []) if missing not in value
    ]
    for key, item in value.items():
        inner = f"{name}[{key}]" if name else key
        if key in properties:
            problems += _problems(properties[key], item, inner)
        elif isinstance(other, dict):
            problems += _problems(other, item, inner)
        else:
            problems.append(f"{inner} is unknown")
    return problems


def _leaf_problems(schema: dict[str, Any], kind: str | None, value: Any, name: str) -> list[str]:
    if not isinstance(value, str):
        return [f"{name} is nested"]
    fits = {
        "integer": bool(re.fullmatch(r"-?\d+", value)),
        "number": bool(_NUMBER.fullmatch(value)),
        "boolean": value in {"true", "false"},
    }
    if kind in fits and not fits[kind]:
        return [f"{name} is no {kind}: {value!r}"]
    if "enum" in schema and value not in map(str, schema["enum"]):
        return [f"{name} may not be {value!r}"]
    if len(value) > schema.get("maxLength", len(value)):
        return [f"{name} is longer than {schema['maxLength']}"]
    return []
