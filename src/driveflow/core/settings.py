"""Typed settings of the process; the only reader of the environment.

Every setting is a `DRIVEFLOW_*` environment variable or a line of `.env` in the working directory.
A wrong one stops the program at once with a line that names the variable (`load_settings`).
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from driveflow.core.errors import OperatorError

PREFIX = "DRIVEFLOW_"


class SettingsError(OperatorError):
    """A setting is wrong; the message is one line that names the variable."""


def _postgres_url(value: str) -> str:
    if not value.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://")
    return value


PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]


def _web_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with https:// or http://")
    return value.rstrip("/")


WebUrl = Annotated[str, AfterValidator(_web_url)]


class Settings(BaseSettings):
    """All settings with their defaults; the table in README.md lists them for operators."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    database_url: PostgresUrl | None = Field(
        default=None, description="Owner's PostgreSQL address; unset means the embedded server"
    )
    app_database_url: PostgresUrl | None = Field(
        default=None, description="Address of the web role; unset: the owner's address and SET ROLE"
    )
    worker_database_url: PostgresUrl | None = Field(
        default=None, description="Address of the worker role; unset: the owner's address and SET ROLE"
    )
    data_dir: Path = Field(default=Path(".data"), description="Folder of the embedded server")
    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one")
    pool_size: int = Field(default=10, ge=1, le=200, description="Database connections a process may hold")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged"
    )
    log_format: Literal["console", "json"] = Field(default="console", description="Shape of a log line")
    body_limit_bytes: int = Field(default=1_000_000, ge=1_000, description="Largest request body")
    rate_limit_key_per_min: int = Field(
        default=6_000, ge=1, description="Requests per minute and API key before 429"
    )
    rate_limit_address_per_min: int = Field(
        default=600, ge=1, description="Unauthenticated requests per minute and address before 429"
    )
    trip_retention_days: int = Field(
        default=0, ge=0, description="Days that trip points are kept; 0 keeps them for ever"
    )
    outbox_retention_days: int = Field(default=30, ge=1, description="Days that handled outbox rows are kept")
    outbox_poll_s: float = Field(
        default=1.0, gt=0, le=60, description="Longest wait of the worker between two looks at the outbox"
    )

    public_url: WebUrl | None = Field(
        default=None,
        description="Where people and providers reach DriveFlow, for links and callbacks; "
        "unset: http://localhost and the port",
    )

    @property
    def public_base(self) -> str:
        """The beginning of every link to DriveFlow, without a slash at its end."""
        return self.public_url or f"http://localhost:{self.port}"


def load_settings(**overrides: object) -> Settings:
    """Return the settings of this process; `overrides` win over the environment.

    Raises SettingsError with one line naming the first wrong variable.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # checked by Pydantic at run time
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise SettingsError(f"{name} is wrong: {first['msg']}") from error
