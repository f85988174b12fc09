"""`make deploy` against a stand-in for wrangler that answers as the real one does."""

from __future__ import annotations

import builtins
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from local.commands.deploy import deploy, required_resources
from local.deployment.cloudflare_account import Wrangler
from local.deployment.planning import SECRETS_FILE
from local.setup.layout import ROOT
from schema import app
from tests.deploying.account import NO_MIGRATIONS, FakeAccount

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAND_IN: Final = ROOT / "tests" / "deploying" / "wrangler.py"
SECRET: Final = "not $HOME, but a secret"


@dataclass
class Rehearsal:
    """A checkout with its own domain, and an account."""

    folder: Path
    output: pytest.CaptureFixture[str]

    @property
    def account(self) -> FakeAccount:
        """The account as it is now."""
        return FakeAccount.load(self.folder / "account.json")

    @account.setter
    def account(self, account: FakeAccount) -> None:
        account.save(self.folder / "account.json")

    def change(self, **values: Any) -> None:
        """Change the account without wrangler."""
        account = self.account
        for name, value in values.items():
            setattr(account, name, value)
        self.account = account

    def configure(self, old: str, new: str) -> None:
        """Change `wrangler.toml`."""
        path = self.folder / "wrangler.toml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run `make deploy` with options. Returns its exit status and its output."""
        environment = {"PATH": os.environ["PATH"], "BETTER_AUTH_SECRET": SECRET, **variables}
        command = [sys.executable, "-I", "-S", str(STAND_IN), str(self.folder / "account.json")]
        status = deploy(arguments, Wrangler(command, self.folder, environment))
        return status, self.output.readouterr().out

    def deploy(self) -> str:
        """Run a deployment that succeeds."""
        status, shown = self.run("--yes", "--location=weur")
        assert status == 0, shown
        return shown


@pytest.fixture
def rehearsal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Rehearsal:
    """An empty account, and a checkout that is ready to be deployed."""
    configuration = (ROOT / "wrangler.toml").read_text("utf-8")
    (tmp_path / "wrangler.toml").write_text(configuration, "utf-8")
    rehearsal = Rehearsal(tmp_path, capfd)
    rehearsal.configure("cognate.example.com", "cognate.acme.test")
    rehearsal.account = FakeAccount()
    return rehearsal


def everything() -> list[str]:
    """The changes of a first deployment, in order."""
    need = required_resources(app)
    indexes = [
        change
        for name, index in need.indexes.items()
        for change in (
            f"index {name} {index.dimensions} {index.metric}",
            *(f"metadata {name} {key} {kind}" for key, kind in index.metadata.items()),
        )
    ]
    return [
        "database cognate location=weur",
        *(f"queue {queue}" for queue in need.queues),
        *indexes,
        "migrations",
        f"deploy BETTER_AUTH_SECRET={SECRET}",
    ]


UPDATE: Final = [NO_MIGRATIONS, "deploy"]
"""The changes of a later deployment."""


def test_an_empty_account_gets_everything_in_order(rehearsal: Rehearsal) -> None:
    """The database is made before its migrations, and all of it before the Worker."""
    shown = rehearsal.deploy()

    changes = rehearsal.account.changes
    assert changes == everything()
    assert [change for change in changes if change.startswith("metadata")] != []
    assert [change for change in changes if change.endswith("-dlq")] != []
    assert "The account An account (account-id) has:\n  nothing of what" in shown
    assert "Cognate is deployed at https://cognate.acme.test." in shown


def test_a_second_run_only_migrates_and_uploads(rehearsal: Rehearsal) -> None:
    """The secret stays, and no place of the database is needed."""
    rehearsal.deploy()
    rehearsal.change(changes=[])
    status, shown = rehearsal.run("--yes", BETTER_AUTH_SECRET="")

    assert (status, rehearsal.account.changes) == (0, UPDATE)
    assert "  D1 database cognate\n  queue cognate-embeddings\n" in shown
    assert "  secret BETTER_AUTH_SECRET\n" in shown


def test_what_is_half_there_is_completed(rehearsal: Rehearsal) -> None:
    """The missing resources are made, and nothing else."""
    rehearsal.deploy()
    account = rehearsal.account
    index, *_ = account.indexes
    key, *_ = account.indexes[index]["metadata"]
    kind = account.indexes[index]["metadata"].pop(key)
    account.queues.remove("cognate-embeddings-dlq")
    account.changes, account.secrets = [], []
    rehearsal.account = account
    shown = rehearsal.deploy()

    assert rehearsal.account.changes == [
        "queue cognate-embeddings-dlq",
        f"metadata {index} {key} {kind}",
        NO_MIGRATIONS,
        f"deploy BETTER_AUTH_SECRET={SECRET}",
    ]
    assert 'start a backfill of the table with "only": "all"' in shown


@pytest.mark.parametrize("kind", ["database", "queue", "index", "metadata", "migrations", "deploy"])
def test_the_run_after_a_failure_goes_on_from_there(rehearsal: Rehearsal, kind: str) -> None:
    """The resources made before the failure stay, and the next run makes the rest."""
    wanted = everything()
    failing = max(number for number, each in enumerate(wanted) if each.startswith(kind))
    rehearsal.change(refused=wanted[failing])
    status, shown = rehearsal.run("--yes", "--location=weur")
    before = rehearsal.account.changes
    left = (rehearsal.folder / SECRETS_FILE).exists()
    rehearsal.change(refused="")
    rehearsal.deploy()

    assert (status, before, left) == (1, wanted[:failing], False)
    assert "failed with status 1. What was made before it stays" in shown
    again = [NO_MIGRATIONS] if kind == "deploy" else []
    assert rehearsal.account.changes == [*wanted[:failing], *again, *wanted[failing:]]


def test_without_an_answer_nothing_is_changed(rehearsal: Rehearsal) -> None:
    """The commands are shown, and the output names the option that agrees."""
    status, shown = rehearsal.run("--location=weur")

    assert (status, rehearsal.account.changes) == (1, [])
    assert "npx wrangler d1 create cognate --location=weur" in shown
    assert "YES=1" in shown


@pytest.mark.parametrize(
    ("answer", "changes"), [("y", everything), ("", list), ("n", list)], ids=["y", "enter", "n"]
)
def test_a_person_is_asked(
    rehearsal: Rehearsal,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    changes: Callable[[], list[str]],
) -> None:
    """Any answer but a yes is a no."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", lambda _: answer)
    status, _ = rehearsal.run("--location=weur")

    assert rehearsal.account.changes == changes()
    assert status == (0 if changes() else 1)


@pytest.mark.parametrize("option", ["--location=weur", "--jurisdiction=eu"])
def test_the_place_of_the_database_is_stated(rehearsal: Rehearsal, option: str) -> None:
    """A database never moves, so no default is chosen."""
    status, shown = rehearsal.run("--yes")
    assert (status, rehearsal.account.changes) == (1, [])
    assert "LOCATION=" in shown
    assert "JURISDICTION=" in shown

    rehearsal.change(refused="queue")
    rehearsal.run("--yes", option)
    assert rehearsal.account.changes == [f"database cognate {option.removeprefix('--')}"]


def test_a_missing_secret_is_named_before_anything_is_made(rehearsal: Rehearsal) -> None:
    """A first deployment without it would fail at its end."""
    status, shown = rehearsal.run("--yes", "--location=weur", BETTER_AUTH_SECRET="")

    assert (status, rehearsal.account.changes) == (1, [])
    assert "The Worker needs the secret BETTER_AUTH_SECRET" in shown


def test_the_secret_is_in_no_command_and_in_no_file_that_stays(rehearsal: Rehearsal) -> None:
    """The program wrangler reads it from a file that is removed."""
    shown = rehearsal.deploy()

    assert SECRET not in shown
    assert f"npx wrangler deploy --env= --secrets-file={SECRETS_FILE}" in shown
    assert not (rehearsal.folder / SECRETS_FILE).exists()


def test_nobody_logged_in_is_one_sentence(rehearsal: Rehearsal) -> None:
    """The sentence says what to type."""
    rehearsal.change(logged_in=False)

    assert rehearsal.run("--yes") == (
        1,
        "Nobody is logged in at Cloudflare: run `make login`, or set CLOUDFLARE_API_TOKEN.\n",
    )


def test_of_several_accounts_one_must_be_named(rehearsal: Rehearsal) -> None:
    """The error lists the accounts, and with an id the deployment goes on."""
    rehearsal.change(accounts=[["a-1", "Mine"], ["a-2", "My employer's"]])
    status, shown = rehearsal.run("--yes", "--location=weur")
    assert (status, rehearsal.account.changes) == (1, [])
    assert "a-1 (Mine), a-2 (My employer's)" in shown

    _, shown = rehearsal.run("--location=weur", CLOUDFLARE_ACCOUNT_ID="a-2")
    assert "The account My employer's (a-2) has:" in shown


def test_an_index_of_other_dimensions_is_refused(rehearsal: Rehearsal) -> None:
    """Dimensions cannot change, and no other command is run."""
    name, *_ = required_resources(app).indexes
    rehearsal.change(indexes={name: {"dimensions": 3, "metric": "cosine", "metadata": {}}})
    status, shown = rehearsal.run("--yes", "--location=weur")

    assert (status, rehearsal.account.changes) == (1, [])
    assert f"The Vectorize index '{name}' has 3 dimensions" in shown


def test_a_metadata_index_of_another_type_is_refused(rehearsal: Rehearsal) -> None:
    """Filters on it would match nothing."""
    rehearsal.deploy()
    account = rehearsal.account
    name, *_ = account.indexes
    account.indexes[name]["metadata"]["table"], account.changes = "number", []
    rehearsal.account = account
    status, shown = rehearsal.run("--yes")

    assert (status, rehearsal.account.changes) == (1, [])
    assert f"The metadata index 'table' of '{name}' is of type number" in shown


def test_the_domain_that_the_file_came_with_is_refused(rehearsal: Rehearsal) -> None:
    """The error names both solutions; one is to deploy to workers.dev."""
    rehearsal.configure("cognate.acme.test", "cognate.example.com")
    status, shown = rehearsal.run("--yes", "--location=weur")
    assert (status, rehearsal.account.changes) == (1, [])
    assert "remove `routes` and set `workers_dev = true`" in shown

    rehearsal.configure('routes = [{ pattern = "cognate.example.com", custom_domain = true }]', "")
    assert "deployed at its workers.dev address" in rehearsal.deploy()


def test_a_database_of_the_application_is_found_and_never_made(rehearsal: Rehearsal) -> None:
    """A misspelt name or id would otherwise become an empty database."""
    rehearsal.configure(
        "[[queues.producers]]",
        '[[d1_databases]]\nbinding = "AUTH_DB"\ndatabase_name = "applicatoin"\n\n'
        "[[queues.producers]]",
    )
    rehearsal.change(databases={"application": "id-of-application"})
    status, shown = rehearsal.run("--yes", "--location=weur")
    assert (status, rehearsal.account.changes) == (1, [])
    assert "no D1 database 'applicatoin', which wrangler.toml binds as AUTH_DB" in shown

    rehearsal.configure("applicatoin", "application")
    _, shown = rehearsal.run("--location=weur")
    assert "  D1 database application\n" in shown


def test_a_database_is_found_by_its_id(rehearsal: Rehearsal) -> None:
    """Its name does not matter, and an unknown id is an error."""
    rehearsal.configure(
        'database_name = "cognate"', 'database_name = "cognate"\ndatabase_id = "id-of-shop"'
    )
    status, shown = rehearsal.run("--yes", "--location=weur")
    assert (status, rehearsal.account.changes) == (1, [])
    assert "no D1 database 'id-of-shop'" in shown

    rehearsal.change(databases={"shop": "id-of-shop", "cognate": "another"})
    _, shown = rehearsal.run()
    assert "npx wrangler d1 migrations apply" in shown
    assert "d1 create" not in shown


@pytest.mark.parametrize(
    "broken", ["whoami", "d1 list", "queues info", "vectorize list", "secret list"]
)
def test_an_answer_that_failed_is_not_taken_for_nothing_there(
    rehearsal: Rehearsal, broken: str
) -> None:
    """The deployment ends with wrangler's error, and makes no resource twice."""
    rehearsal.deploy()
    rehearsal.change(changes=[], broken=broken)
    status, shown = rehearsal.run("--yes")

    assert (status, rehearsal.account.changes) == (1, [])
    assert f"`wrangler {broken}" in shown
    assert shown.rstrip().endswith("the platform is out of order [code: 10001]")
