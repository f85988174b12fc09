"""A stand-in for the wrangler executable, over a `FakeAccount` in a file.

It answers as the pinned wrangler does: `tests/worker/test_deploy.py` compares each answer with that
of the real one. Only what `make deploy` uses is here; anything else fails.

    python tests/deploying/wrangler.py ACCOUNT.json whoami --json
"""

from __future__ import annotations

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))  # noqa: PTH118, PTH120 - see account.py
from tests.deploying.account import MADE_ON, FakeAccount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

HELP = (
    "  \n  If you think this is a bug, please open an issue at: "
    "https://github.com/cloudflare/workers-sdk/issues/new/choose\n"
)
NEW_WORKER = (
    "\n  If this is a new Worker, run `wrangler deploy` first to create it.\n"
    "  Otherwise, check that the Worker name is correct and you're logged into the right account."
)
BANNER = "\n ⛅️ wrangler 4.164.0\n────────────────────\n"


def main(path: str, arguments: list[str]) -> None:
    """Answer one call."""
    account = FakeAccount.load(path)
    words = [word for word in arguments if not word.startswith("-")]
    options = dict(
        word.removeprefix("--").partition("=")[::2] for word in arguments if word.startswith("-")
    )
    try:
        answer(account, words, options)
    finally:
        account.save(path)


def answer(account: FakeAccount, words: list[str], options: dict[str, str]) -> None:
    """Print what wrangler prints, and change the account as it does."""
    checked(not account.broken or not " ".join(words).startswith(account.broken), "")
    match words:
        case ["whoami"]:
            whoami(account)
        case ["d1", *rest]:
            d1(account, rest, options)
        case ["queues", *rest]:
            queues(account, rest)
        case ["vectorize", *rest]:
            vectorize(account, rest, options)
        case ["secret", "list"]:
            secret_list(account)
        case ["deploy"]:
            deploy(account, options)
        case _:
            unknown(words)


def d1(account: FakeAccount, words: list[str], options: dict[str, str]) -> None:
    """Answer `wrangler d1`."""
    match words:
        case ["list"]:
            listed = [{"uuid": id_, "name": name} for name, id_ in account.databases.items()]
            print_json(listed)
        case ["create", name]:
            [(place, where)] = options.items()
            checked(account.create_database(name, f"{place}={where}"), "/d1/database")
            say(f"{BANNER}✅ Successfully created DB '{name}' in region WEUR")
        case ["migrations", "apply", "DB"]:
            checked("cognate" in account.databases, "/d1/database/cognate")
            checked(account.migrate(), "/d1/database/id-of-cognate/query")
            say(f"{BANNER}Resource location: remote \n\n✅ No migrations to apply!")
        case _:
            unknown(words)


def queues(account: FakeAccount, words: list[str]) -> None:
    """Answer `wrangler queues`."""
    match words:
        case ["info", name] if name in account.queues:
            say(f"{BANNER}Queue Name: {name}\nQueue ID: id-of-{name}\nCreated On: {MADE_ON}")
            say(f"Last Modified: {MADE_ON}\nNumber of Producers: 0\nNumber of Consumers: 0")
        case ["info", name]:
            say(BANNER)
            fail(f'Queue "{name}" does not exist. To create it, run: wrangler queues create {name}')
        case ["create", name]:
            checked(account.create_queue(name), "/queues")
            say(f"{BANNER}🌀 Creating queue '{name}'\n✅ Created queue '{name}'")
        case _:
            unknown(words)


def vectorize(account: FakeAccount, words: list[str], options: dict[str, str]) -> None:
    """Answer `wrangler vectorize`."""
    match words:
        case ["list"]:
            print_json([index(account, name) for name in account.indexes])
        case ["list-metadata-index", name]:
            metadata = account.indexes[name]["metadata"]
            print_json([{"propertyName": key, "indexType": kind} for key, kind in metadata.items()])
        case ["create", name]:
            made = account.create_index(name, int(options["dimensions"]), options["metric"])
            checked(made, "/vectorize/v2/indexes")
            say(f"{BANNER}🚧 Creating index: '{name}'")
            say(f"✅ Successfully created a new Vectorize index: '{name}'")
        case ["create-metadata-index", name]:
            made = account.create_metadata_index(name, options["propertyName"], options["type"])
            checked(made, f"/vectorize/v2/indexes/{name}/metadata_index/create")
            say(f"{BANNER}📋 Creating metadata index...")
            say("✅ Successfully enqueued metadata index creation request.")
        case _:
            unknown(words)


def secret_list(account: FakeAccount) -> None:
    """Answer `wrangler secret list`."""
    if account.secrets is None:
        fail('Worker "cognate" not found.', NEW_WORKER)
    print_json([{"name": name, "type": "secret_text"} for name in account.secrets])


def deploy(account: FakeAccount, options: dict[str, str]) -> None:
    """Answer `wrangler deploy`, and read the file of secrets as it does."""
    file = options.get("secrets-file")
    given = {}
    if file:
        with open(file, encoding="utf-8") as secrets:  # noqa: PTH123 - see account.py
            given = json.load(secrets)
    checked(account.deploy(given), "/workers/scripts/cognate")
    say(f"{BANNER}Uploaded cognate")


def whoami(account: FakeAccount) -> None:
    """Print who is logged in; the exit status says whether anybody is."""
    if not account.logged_in:
        say(json.dumps({"loggedIn": False}, indent=4))
        raise SystemExit(1)
    told = {
        "loggedIn": True,
        "authType": "User API Token",
        "email": "somebody@example.com",
        "accounts": [{"id": id_, "name": name} for id_, name in account.accounts],
    }
    say(json.dumps(told, indent=4))


def index(account: FakeAccount, name: str) -> dict[str, object]:
    """An index as it is listed."""
    found = account.indexes[name]
    config = {"dimensions": found["dimensions"], "metric": found["metric"]}
    return {"name": name, "config": config, "created_on": MADE_ON, "modified_on": MADE_ON}


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def print_json(value: object) -> None:
    """Print a list as wrangler does."""
    say(json.dumps(value, indent=2))


def checked(allowed: object, path: str) -> None:
    """Fail as wrangler does where Cloudflare refused a change."""
    if not allowed:
        fail(
            f"A request to the Cloudflare API (/accounts/account-id{path}) failed.",
            f"the platform is out of order [code: 10001]\n{HELP}",
        )


def unknown(words: list[str]) -> None:
    """Fail where `make deploy` was not expected to go."""
    fail(f"Unknown arguments: {' '.join(words)}")


def fail(message: str, detail: str = "") -> NoReturn:
    """Print an error as wrangler does, and end."""
    error = f"\x1b[31m✘ \x1b[41;31m[\x1b[41;97mERROR\x1b[41;31m]\x1b[0m \x1b[1m{message}\x1b[0m\n\n"
    sys.stderr.write(error + (f"  {detail}\n" if detail else "") + "\n")
    raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
