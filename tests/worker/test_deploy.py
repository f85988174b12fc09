"""`make deploy` with the real wrangler, into a stand-in for Cloudflare's API."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import pytest

from local.commands.deploy import deploy, required_resources
from local.deployment.cloudflare_account import Wrangler, find_account
from local.deployment.planning import DeploymentError
from local.setup.layout import ROOT, Layout
from schema import app
from tests.deploying.account import NO_MIGRATIONS, FakeAccount
from tests.deploying.api import FakeCloudflare

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)
"""Each call of wrangler takes a second or more, and there are some thirty."""

SECRET: Final = "not $HOME, but a secret"
OPTIONS: Final = ("--yes", "--location=weur")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What wrangler needs of this checkout, with a domain of its own."""
    for name in ("src", "migrations", "python_modules"):
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    configuration = (ROOT / "wrangler.toml").read_text("utf-8")
    (tmp_path / "wrangler.toml").write_text(
        configuration.replace("cognate.example.com", "cognate.acme.test"), "utf-8"
    )
    return tmp_path


def half_there() -> FakeAccount:
    """An account without the database, a queue and the index that is made with the fewest calls."""
    need = required_resources(app)
    account = FakeAccount(queues=[*need.queues[:-1]], refused="deploy")
    account.indexes = {
        name: {
            "dimensions": index.dimensions,
            "metric": index.metric,
            "metadata": dict(index.metadata),
        }
        for name, index in sorted(need.indexes.items(), key=lambda item: len(item[1].metadata))[1:]
    }
    return account


def shown_before_the_commands(output: str) -> str:
    """What a person sees before anything is run."""
    return output.split("\n$ ", 1)[0]


def test_the_real_wrangler_deploys_as_its_stand_in_does(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half an account, a failure at the end, and the run after it: the same plans and changes."""
    layout = Layout()
    environment = {**layout.environment(), "BETTER_AUTH_SECRET": SECRET}
    real, stand_in = half_there(), checkout / "account.json"
    half_there().save(stand_in)
    with FakeCloudflare(real) as api:
        wrangler = Wrangler(layout.wrangler(), checkout, {**environment, **api.variables})
        first = deploy(OPTIONS, wrangler), capfd.readouterr().out
        real.refused = ""
        second = deploy(OPTIONS, wrangler), capfd.readouterr().out
        migrated = api.database.execute("SELECT name FROM cognate_migrations ORDER BY name")
        with closing(migrated):
            migrations = [name for (name,) in migrated]

    script = str(ROOT / "tests" / "deploying" / "wrangler.py")
    imitated = Wrangler([sys.executable, script, str(stand_in)], checkout, environment)
    expected = []
    for refused in ("deploy", ""):
        account = FakeAccount.load(stand_in)
        account.refused = refused
        account.save(stand_in)
        expected.append((deploy(OPTIONS, imitated), capfd.readouterr().out))

    shown = [(status, shown_before_the_commands(output)) for status, output in (first, second)]
    assert shown == [(status, shown_before_the_commands(output)) for status, output in expected]
    assert [status for status, _ in shown] == [1, 0]
    imitation = FakeAccount.load(stand_in)
    imitation.changes.remove(NO_MIGRATIONS)
    assert vars(real) == vars(imitation)
    assert real.changes[-1] == f"deploy BETTER_AUTH_SECRET={SECRET}"
    assert migrations == sorted(path.name for path in (ROOT / "migrations").glob("*.sql"))
    assert api.unknown == []
    assert called_by(api.triggers) == {"cognate.acme.test", "* * * * *", *consumers()}


def called_by(triggers: list[Any]) -> set[str]:
    """The host names, schedules and dead-letter queues of the triggers."""
    found: set[str] = set()
    for trigger in triggers:
        if isinstance(trigger, list):
            found.update(each["cron"] for each in trigger)
        elif "origins" in trigger:
            found.update(each["hostname"] for each in trigger["origins"])
        else:
            found.add(f"a consumer with dead letters in {trigger.get('dead_letter_queue')}")
    return found


def consumers() -> set[str]:
    """What `called_by` says of the consumers of both queues."""
    [dead_letters] = [queue for queue in required_resources(app).queues if queue.endswith("-dlq")]
    return {f"a consumer with dead letters in {queue}" for queue in (dead_letters, None)}


def test_the_real_wrangler_says_that_nobody_is_logged_in(tmp_path: Path) -> None:
    """Without a token, and in a home without a login."""
    layout = Layout()
    environment = {
        **{k: v for k, v in layout.environment().items() if not k.startswith("CLOUDFLARE_API")},
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }

    with pytest.raises(DeploymentError, match="run `make login`"):
        find_account(Wrangler(layout.wrangler(), layout.root, environment))
