"""The deployment's settings: read once at the edge, from plain text variables, and then frozen."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast, get_args

from cognate.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

AuthNaming = Literal["snake_case", "camelCase"]
"""How the columns of Better Auth's tables are named; which one it is depends on its adapter."""

SECRET: Final = "BETTER_AUTH_SECRET"  # noqa: S105 - the name of the variable, not its value
ALLOWED_ORIGINS: Final = "ALLOWED_ORIGINS"
AUTH_NAMING: Final = "AUTH_COLUMN_NAMING"
AUTH_DATABASE: Final = "AUTH_DB"
"""The binding of Better Auth's database, where that is not `DB`."""

JOB_RETENTION: Final = "JOB_RETENTION_DAYS"
TEXT_RETENTION: Final = "TEXT_RETENTION_DAYS"

RETENTIONS: Final = (JOB_RETENTION, TEXT_RETENTION)
"""Those that the cron task needs."""

VARIABLES: Final = (SECRET, ALLOWED_ORIGINS, AUTH_NAMING, *RETENTIONS)
"""Every variable that `Settings.read` asks for: what the edge has to look up."""

MAX_RETENTION_DAYS: Final = 3650

_ORIGIN: Final = re.compile(
    r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
)


@dataclass(frozen=True)
class Retention:
    """How long things are kept.

    Attributes:
        jobs: finished jobs and backfills, and failed jobs that nothing can replay.
        texts: texts that were posted without a table; None for as long as nobody deletes them.
    """

    jobs: timedelta = timedelta(days=30)
    texts: timedelta | None = None


@dataclass(frozen=True)
class Settings:
    """What a deployment may choose.

    Attributes:
        auth_secret: the secret that Better Auth signs with; None where none was set, which only
            public routes can live with.
        allowed_origins: origins of browser frontends, exactly as a browser sends them.
        auth_naming: the naming of the columns in Better Auth's tables.
        retention: how long things are kept.
    """

    auth_secret: str | None = field(default=None, repr=False)
    allowed_origins: frozenset[str] = frozenset()
    auth_naming: AuthNaming = "snake_case"
    retention: Retention = Retention()

    @classmethod
    def read(cls, variables: Mapping[str, str | None]) -> Settings:
        """Settings from variables by name; absent, None and blank all mean *not set*.

        Raises:
            ConfigurationError: a value that cannot be meant; the message says what to write.
        """
        settings, errors = cls.examine(variables)
        if errors:
            raise errors[0]
        return settings

    @classmethod
    def examine(
        cls, variables: Mapping[str, str | None]
    ) -> tuple[Settings, list[ConfigurationError]]:
        """Settings from variables, with the default for each value that cannot be meant.

        Returns:
            The settings, and an error for each such value.
        """
        errors: list[ConfigurationError] = []

        def text(name: str) -> str:
            return (variables.get(name) or "").strip()

        def read(parse: Callable[[str, str], T], name: str, default: T) -> T:
            try:
                return parse(name, text(name)) if text(name) else default
            except ConfigurationError as error:
                errors.append(error)
                return default

        settings = cls(
            # Not stripped: a secret is exactly what Better Auth has.
            auth_secret=(variables.get(SECRET) or None) if text(SECRET) else None,
            allowed_origins=read(_origins, ALLOWED_ORIGINS, cls.allowed_origins),
            auth_naming=read(_naming, AUTH_NAMING, cls.auth_naming),
            retention=Retention(
                jobs=read(_days, JOB_RETENTION, Retention.jobs),
                texts=read(_days, TEXT_RETENTION, None),
            ),
        )
        return settings, errors


def _origins(_: str, value: str) -> frozenset[str]:
    origins = [part.strip() for part in value.split(",") if part.strip()]
    for position, origin in enumerate(origins, start=1):
        if origin == "*":
            message = (
                f"{ALLOWED_ORIGINS} cannot be '*', because requests carry cookies; "
                "list each frontend's origin, like https://app.example.com"
            )
            raise ConfigurationError(ALLOWED_ORIGINS, message)
        if not _ORIGIN.fullmatch(origin) or _has_default_port(origin):
            message = (
                f"entry {position} of {ALLOWED_ORIGINS} is not an origin as browsers send it: "
                "scheme and host in lower case, a port only if it is not the scheme's own, "
                "no path and no slash at the end, like https://app.example.com"
            )
            raise ConfigurationError(ALLOWED_ORIGINS, message)
    return frozenset(origins)


def _days(name: str, value: str) -> timedelta:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= MAX_RETENTION_DAYS):
        message = f"{name} must be a whole number of days, 1 to {MAX_RETENTION_DAYS}"
        raise ConfigurationError(name, message)
    return timedelta(days=int(value))


def _has_default_port(origin: str) -> bool:
    return (origin.startswith("https:") and origin.endswith(":443")) or (
        origin.startswith("http:") and origin.endswith(":80")
    )


def _naming(_: str, value: str) -> AuthNaming:
    known = get_args(AuthNaming)
    if value not in known:
        message = f"{AUTH_NAMING} must be one of {', '.join(known)}"
        raise ConfigurationError(AUTH_NAMING, message)
    return cast("AuthNaming", value)
