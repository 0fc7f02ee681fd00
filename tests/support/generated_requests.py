"""Requests generated from the OpenAPI description by schemathesis, made to fit a school that is there."""

import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import schemathesis
from fastapi import FastAPI
from schemathesis import Response
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.schemas import OpenApiSchema

from driveflow.core.actor import Role
from driveflow.core.db import APP_ROLE, Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from support.databases import wait_for
from support.full_school import full_schools
from support.schools import Clock, open_school
from support.stripe_webhooks import WEBHOOK_SECRET

ROLES = (Role.OWNER, Role.INSTRUCTOR, Role.STUDENT)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DAYS = {"date": 1, "at": 1, "from": 0, "to": 5}
_OTHER_NAMES = {
    "actor_user_id": "owner_user_id",
    "entity_id": "booking_id",
    "related_id": "booking_id",
    "recipient_id": "student_id",
}


@dataclass
class GeneratedRequests:
    """The application's description, a school's keys and ids, and what was answered so far."""

    schema: OpenApiSchema
    keys: dict[Role, str]
    ids: dict[str, str]
    now: datetime
    answers: Counter[int] = field(default_factory=Counter)
    told: set[str] = field(default_factory=set)

    def headers(self, role: Role) -> dict[str, str]:
        """Return the headers of a role's requests."""
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def heard(self, response: Response) -> None:
        """Count an answer, and remember the ids in it."""
        self.answers[response.status_code] += 1
        # Not every answer is a text: an invoice may be a PDF.
        self.told.update(_UUID.findall(response.content.decode(errors="replace")))

    def fit(self, case: schemathesis.Case[Any], chance: random.Random, *, good: bool) -> None:
        """Name mostly rows that are there; good input also gets likely times and versions.

        An id out of an answer stays: it came by a link from the request before. Bad input whose id was all
        that was bad becomes good by this, and schemathesis then expects no refusal.
        """
        # Unknown fields of a body are refused, unknown parameters of a query are not.
        described = {parameter.name for parameter in case.operation.query}
        case.query = {name: value for name, value in (case.query or {}).items() if name in described}
        for values in (case.path_parameters or {}, case.query):
            for name, value in values.items():
                known = self.ids.get(_OTHER_NAMES.get(name, name))
                often = 1 if name == "org_id" else 0.8
                if known and str(value) not in self.told and chance.random() < often:
                    values[name] = known
                elif good and name in _DAYS and chance.random() < 0.7:
                    days = timedelta(days=_DAYS[name] + chance.randint(0, 3))
                    moment = self.now + days
                    values[name] = str(moment.date()) if name == "date" else moment.isoformat()
        if good and isinstance(case.body, dict | list):
            case.body = self._fitted(case.body, chance)
            if isinstance(case.body, dict) and case.method in {"PATCH", "POST"} and chance.random() < 0.5:
                schema = case.operation.body[0].definition["schema"] if case.operation.body else {}
                if "version" in str(schema):
                    case.body.setdefault("version", 1)

    def _fitted(self, value: Any, chance: random.Random, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._fitted(item, chance, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self._fitted(item, chance) for item in value]
        likely = value
        if name in self.ids and is_uuid(value):
            likely = self.ids[name]
        elif name == "version":
            likely = chance.randint(1, 3)
        elif name in {"start_at", "ts"}:
            likely = (self.now + timedelta(minutes=15 * chance.randint(-4, 400))).isoformat()
        elif name in {"effective_from", "effective_to", "valid_from", "valid_to"}:
            likely = str((self.now + timedelta(days=chance.randint(0, 30))).date())
        return likely if chance.random() < 0.75 else value


@contextmanager
def generated_requests(database_url: str) -> Iterator[GeneratedRequests]:
    """Fill a school in a database of its own and load the description of an application on it."""
    made = wait_for(_filled(database_url))
    database = Database(database_url, role=APP_ROLE, pool_size=4)

    @asynccontextmanager
    async def closing(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await database.dispose()

    app = create_app(_settings(), database, clock=Clock(made.now), access_log=False, on_start=closing)
    made.schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, config=_config())
    try:
        yield made
    finally:
        shutdown_lifespans()


async def _filled(database_url: str) -> GeneratedRequests:
    database = Database(database_url, role=APP_ROLE, pool_size=4)
    clock = Clock()
    app = create_app(_settings(), database, clock=clock, access_log=False)
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x.test") as http:
            school = await open_school(http, database, clock)
            (full,) = await full_schools(school)
            keys = {role: full.clients[role].key for role in ROLES}
            return GeneratedRequests(None, keys, full.ids, clock.now)  # type: ignore[arg-type]  # set by the caller
    finally:
        await database.dispose()


def _config() -> SchemathesisConfig:
    # The keys are ours to send: a request without one is another test's.
    return SchemathesisConfig(
        projects=ProjectsConfig(
            default=ProjectConfig(generation=GenerationConfig(with_security_parameters=False))
        )
    )


def _settings() -> Settings:
    return Settings(
        _env_file=None,
        rate_limit_address_per_min=10**7,
        rate_limit_key_per_min=10**7,
        stripe_webhook_secrets=WEBHOOK_SECRET,
    )


def is_uuid(value: object) -> bool:
    """Tell whether a value is the text of a UUID."""
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True
