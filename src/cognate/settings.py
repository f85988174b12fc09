"""The settings of the deployment, read once per invocation from text variables."""

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
"""How the columns of Better Auth's tables are named, which depends on its adapter."""

SECRET: Final = "BETTER_AUTH_SECRET"  # noqa: S105 - the name of the variable, not its value
ALLOWED_ORIGINS: Final = "ALLOWED_ORIGINS"
AUTH_NAMING: Final = "AUTH_COLUMN_NAMING"
AUTH_DATABASE: Final = "AUTH_DB"
"""The binding of Better Auth's database, if it is not `DB`."""

JOB_RETENTION: Final = "JOB_RETENTION_DAYS"
TEXT_RETENTION: Final = "TEXT_RETENTION_DAYS"

RETENTIONS: Final = (JOB_RETENTION, TEXT_RETENTION)
"""The variables that the cron task needs."""

VARIABLES: Final = (SECRET, ALLOWED_ORIGINS, AUTH_NAMING, *RETENTIONS)
"""The variables that `Settings.read` needs."""

MAX_RETENTION_DAYS: Final = 3650

_ORIGIN: Final = re.compile(
    r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
)


@dataclass(frozen=True)
class Retention:
    """How long rows are kept.

    Attributes:
        jobs: for finished jobs and backfills, and failed jobs that cannot be replayed.
        texts: for texts that were posted without a table; None to keep them until they are deleted.
    """

    jobs: timedelta = timedelta(days=30)
    texts: timedelta | None = None


@dataclass(frozen=True)
class Settings:
    """The settings of a deployment.

    Attributes:
        auth_secret: the secret that Better Auth signs with. Without it (None) only public routes
            work.
        allowed_origins: the origins of browser frontends, exactly as a browser sends them.
        auth_naming: how the columns of Better Auth's tables are named.
        retention: how long rows are kept.
    """

    auth_secret: str | None = field(default=None, repr=False)
    allowed_origins: frozenset[str] = frozenset()
    auth_naming: AuthNaming = "snake_case"
    retention: Retention = Retention()

    @classmethod
    def read(cls, variables: Mapping[str, str | None]) -> Settings:
        """Read the settings from variables by name. None and blank values count as not set.

        Raises:
            ConfigurationError: a value is not valid. The message says what to write.
        """
        settings, errors = cls.examine(variables)
        if errors:
            raise errors[0]
        return settings

    @classmethod
    def examine(
        cls, variables: Mapping[str, str | None]
    ) -> tuple[Settings, list[ConfigurationError]]:
        """Read the settings, with the default in place of each value that is not valid.

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
            # It is not stripped, because it must be exactly the secret of Better Auth.
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
