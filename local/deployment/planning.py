"""Plan a deployment: compare what this checkout needs with what the Cloudflare account has.

What is needed follows from `wrangler.toml` and `src/schema.py`, so nothing is listed twice. The
plan is a list of wrangler's own commands. `local.commands.deploy` runs it; the README shows it.
"""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from local.setup.layout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cognate.schema import Cognate

LOCATIONS: Final = ("weur", "eeur", "apac", "oc", "wnam", "enam")
"""Where wrangler lets a D1 database be made."""
JURISDICTIONS: Final = ("eu", "us", "fedramp")

SECRETS_FILE: Final = ".local/secrets.json"
"""`make deploy` writes it for one command and removes it; git ignores it."""

RECORDS: Final = "DB"
"""The binding of the only database that a deployment makes and migrates."""

_NOBODYS_DOMAIN: Final = "example.com"
_AFTER_A_NEW_FILTER: Final = (
    "It covers vectors written from now on. After the deployment start a backfill of the table "
    'with "only": "all".'
)


class DeploymentError(Exception):
    """A deployment cannot go on; the message is the one sentence that a person needs."""


@dataclass(frozen=True)
class DatabaseResource:
    """A D1 database as a configuration or an account names it; an id says more than a name."""

    name: str
    id: str | None = None


@dataclass(frozen=True)
class IndexResource:
    """A Vectorize index with its metadata indexes, from property to type."""

    dimensions: int
    metric: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RequiredResources:
    """What a checkout needs in an account.

    Attributes:
        worker: its name.
        hosts: the host names at which it is reached; none where it is on workers.dev.
        databases: by binding.
        queues: the dead-letter queue among them.
        indexes: by name.
        secrets: the names of those that it cannot do without.
    """

    worker: str
    hosts: tuple[str, ...]
    databases: Mapping[str, DatabaseResource]
    queues: tuple[str, ...]
    indexes: Mapping[str, IndexResource]
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class ExistingResources:
    """What an account has of it.

    Attributes:
        secrets: of the Worker; none where it was never deployed.
    """

    databases: tuple[DatabaseResource, ...] = ()
    queues: frozenset[str] = frozenset()
    indexes: Mapping[str, IndexResource] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Command:
    """One call of wrangler.

    Attributes:
        arguments: of the call.
        reason: why it is made, for a person; empty where the command before it says so.
    """

    arguments: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return shlex.join(["npx", "wrangler", *self.arguments])


def required_resources(app: Cognate, root: Path = ROOT) -> RequiredResources:
    """What the schema and `wrangler.toml` of a checkout need."""
    configuration = tomllib.loads((root / "wrangler.toml").read_text("utf-8"))
    names = {item["binding"]: item["index_name"] for item in configuration["vectorize"]}
    return RequiredResources(
        worker=configuration["name"],
        hosts=tuple(_host(route) for route in configuration.get("routes", [])),
        databases={
            item["binding"]: DatabaseResource(item["database_name"], item.get("database_id"))
            for item in configuration["d1_databases"]
        },
        queues=tuple(item["queue"] for item in configuration["queues"]["consumers"]),
        indexes={
            names[index.binding]: IndexResource(
                index.dimensions, index.metric, index.metadata_indexes
            )
            for index in app.vector_indexes()
        },
        secrets=tuple(configuration.get("secrets", {}).get("required", [])),
    )


def _host(route: str | Mapping[str, Any]) -> str:
    pattern = route if isinstance(route, str) else str(route["pattern"])
    return pattern.split("/", 1)[0]


def refuse_unfinished(need: RequiredResources) -> None:
    """Check that `wrangler.toml` names a domain of its owner.

    Raises:
        DeploymentError: it still names the one that it came with.
    """
    for host in need.hosts:
        if host == _NOBODYS_DOMAIN or host.endswith(f".{_NOBODYS_DOMAIN}"):
            raise DeploymentError(
                f"The route {host} in wrangler.toml is nobody's: write a host name below your own "
                "domain. Without a domain, remove `routes` and set `workers_dev = true`; callers "
                "then need bearer tokens, because workers.dev gets no cookies of yours."
            )


def missing_secrets(need: RequiredResources, found: ExistingResources) -> tuple[str, ...]:
    """The names of the secrets that a deployment must bring along."""
    return tuple(name for name in need.secrets if name not in found.secrets)


def exists(database: DatabaseResource, found: ExistingResources) -> bool:
    """Whether an account has a database: by its id where one is configured, else by its name."""
    if database.id is not None:
        return any(each.id == database.id for each in found.databases)
    return any(each.name == database.name for each in found.databases)


def plan_deployment(
    need: RequiredResources, found: ExistingResources, place: str | None
) -> list[Command]:
    """The commands that are still to run, in their order.

    The database is made before its migrations run, and they run before the Worker is uploaded that
    reads it. Queues, indexes and metadata indexes are made before the Worker is uploaded too, so
    each metadata index is there before the first vector.

    Args:
        need: what there must be.
        found: what there is.
        place: wrangler's option that says where a new database is kept, such as `--location=weur`.

    Raises:
        DeploymentError: something is there and cannot be used, or a choice is missing.
    """
    return [
        *_databases(need, found, place),
        *_queues(need, found),
        *_indexes(need, found),
        Command(
            ("d1", "migrations", "apply", RECORDS, "--remote", "--env="),
            "The migrations that are new.",
        ),
        _deploy(missing_secrets(need, found)),
    ]


def _databases(
    need: RequiredResources, found: ExistingResources, place: str | None
) -> Iterator[Command]:
    for binding, database in need.databases.items():
        if exists(database, found):
            continue
        if binding != RECORDS or database.id is not None:
            raise DeploymentError(
                f"The account has no D1 database {database.id or database.name!r}, which "
                f"wrangler.toml binds as {binding}: correct its name or id there."
            )
        if place is None:
            raise DeploymentError(
                f"Say where D1 shall keep {database.name!r}, because a database never moves: "
                f"`make deploy LOCATION=...` ({', '.join(LOCATIONS)}), or, where the law says so, "
                f"`make deploy JURISDICTION=...` ({', '.join(JURISDICTIONS)})."
            )
        yield Command(
            ("d1", "create", database.name, place), "The database. It stays where it is made."
        )


def _queues(need: RequiredResources, found: ExistingResources) -> Iterator[Command]:
    missing = [queue for queue in need.queues if queue not in found.queues]
    for position, queue in enumerate(missing):
        reason = "" if position else "The queue of jobs, and the one that records dead letters."
        yield Command(("queues", "create", queue), reason)


def _indexes(need: RequiredResources, found: ExistingResources) -> Iterator[Command]:
    for name, index in need.indexes.items():
        there = found.indexes.get(name)
        if there is None:
            options = (f"--dimensions={index.dimensions}", f"--metric={index.metric}")
            yield Command(
                ("vectorize", "create", name, *options),
                f"Vectors of {index.dimensions} dimensions; metadata indexes before the first one.",
            )
            missing, reason = dict(index.metadata), ""
        else:
            missing, reason = _missing_metadata(name, index, there), _AFTER_A_NEW_FILTER
        for key, kind in missing.items():
            options = (f"--propertyName={key}", f"--type={kind}")
            yield Command(("vectorize", "create-metadata-index", name, *options), reason)


def _missing_metadata(name: str, index: IndexResource, there: IndexResource) -> dict[str, str]:
    if (there.dimensions, there.metric) != (index.dimensions, index.metric):
        raise DeploymentError(
            f"The Vectorize index {name!r} has {there.dimensions} dimensions and the metric "
            f"{there.metric}, and {index.dimensions} and {index.metric} are needed: neither can "
            "be changed, so name another index in wrangler.toml."
        )
    for key, kind in index.metadata.items():
        if there.metadata.get(key, kind) != kind:
            raise DeploymentError(
                f"The metadata index {key!r} of {name!r} is of type {there.metadata[key]}, and "
                f"{kind} is needed: delete it with `wrangler vectorize delete-metadata-index`."
            )
    return {key: kind for key, kind in index.metadata.items() if key not in there.metadata}


def _deploy(secrets: tuple[str, ...]) -> Command:
    if not secrets:
        return Command(("deploy", "--env="), "The Worker.")
    return Command(
        ("deploy", "--env=", f"--secrets-file={SECRETS_FILE}"),
        f"The Worker, with {' and '.join(secrets)} in the file as JSON.",
    )
