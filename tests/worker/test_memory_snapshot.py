"""The Worker starts from a memory snapshot that was taken after its import, as on Cloudflare.

Cloudflare imports a Worker once, when it is deployed, and starts every isolate from its memory of
that moment. The local runtime does the same here, with the deployed sources and dependencies.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from local.demo.organizations import DEMO_ORGANIZATIONS
from local.development.local_cognate import LocalCognate
from local.failures import StartError
from local.running.local_worker import LocalConfig
from local.setup.layout import ROOT, Layout
from local.setup.memory_snapshot import (
    DEDICATED_FLAG,
    EMPTY_WORKER,
    OWN_SDK_FLAG,
    SAVED_NAME,
    Compatibility,
    SnapshotError,
    load_options,
    reason_of,
    save_options,
    save_snapshot,
)
from local.setup.workerd_script import bundle_option, write_workerd_script
from tests.worker.waiting import wait_for
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
RUNTIME: Final = [str(Layout().real_workerd), bundle_option(Layout().bundle)]
DEDICATED: Final = Compatibility.local(ROOT / "wrangler.toml").with_flags(DEDICATED_FLAG)
EXPERIMENTAL: Final = '  "experimental",\n'
BROKEN: Final = "raise RuntimeError('this Worker was imported')\n"
CREDENTIALS: Final = {"authorization": f"Bearer {DEMO_ORGANIZATIONS[0].session_token}"}


def _start_with(layout: Layout, options: list[str]) -> None:
    """Give workerd other options in one checkout."""
    if layout.generated.is_symlink():
        layout.generated.unlink()
    write_workerd_script(layout.real_workerd, [RUNTIME[1], *options], layout.workerd)


def _start(worker: LocalCognate, stack: ExitStack) -> None:
    """Start a Worker, or fail with the reason why it cannot be imported."""
    try:
        stack.enter_context(worker)
    except StartError:
        pytest.fail(reason_of(worker.wrangler_log.read_text("utf-8")))


@pytest.fixture(scope="module")
def restored(
    tmp_path_factory: pytest.TempPathFactory, new_state: Callable[[Layout], Path]
) -> Iterator[LocalCognate]:
    """The Worker of production, started from a snapshot of its memory."""
    layout = checkout_with(tmp_path_factory.mktemp("checkout"), ROOT / "src" / "entry.py", [])
    wrangler = layout.root / "wrangler.toml"
    configuration = wrangler.read_text("utf-8")
    assert configuration.count(EXPERIMENTAL) == 1
    wrangler.write_text(
        configuration.replace(EXPERIMENTAL, f'{EXPERIMENTAL}  "{DEDICATED_FLAG}",\n'), "utf-8"
    )
    folder = tmp_path_factory.mktemp("snapshots")
    _start_with(layout, save_options(folder, Layout().snapshot))
    worker = LocalCognate(LocalConfig(state=new_state(layout)), layout)
    with ExitStack() as stack:
        _start(worker, stack)
        worker.crash()
        # What answers from now on was restored: importing it would fail.
        for name in ("entry.py", "schema.py"):
            (worker.config.state / "served" / "src" / name).write_text(BROKEN, "utf-8")
        _start_with(layout, load_options(folder / SAVED_NAME))
        worker.restart()
        yield worker


@pytest.fixture
def client(restored: LocalCognate) -> Iterator[httpx.Client]:
    """A client of the restored Worker."""
    with httpx.Client(base_url=restored.url, timeout=30, trust_env=False) as client:
        yield client


def test_the_real_worker_can_be_saved_and_restored(client: httpx.Client) -> None:
    """Everything that its import makes can be kept; the API answers from that memory."""
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/api/v1/claims").status_code == 401
    assert client.get("/api/v1/claims", headers=CREDENTIALS).status_code == 200


def test_a_restored_worker_embeds_and_searches(client: httpx.Client) -> None:
    """Bindings, the queue and the clock work in it: a record is written, embedded and found."""
    content = "The observatory published its first image of the comet."
    written = client.post("/api/v1/claims", headers=CREDENTIALS, json={"content": content})
    assert written.status_code == 201
    assert written.json()["createdAt"] > "2026"

    def search() -> dict[str, Any]:
        path = "/api/v1/similarity/claimSimilarity/search"
        found: dict[str, Any] = client.post(
            path, headers=CREDENTIALS, json={"query": content}
        ).json()
        return found

    answer = wait_for(
        lambda: answer if (answer := search())["results"] else None, "the record in the index"
    )
    assert ("DUPLICATE", written.json()["id"]) == (answer["verdict"], answer["results"][0]["id"])


def test_two_workers_restored_from_one_snapshot_draw_different_numbers(
    restored: LocalCognate, client: httpx.Client
) -> None:
    """Ids made in one isolate never repeat in another that starts from the same memory."""
    drawn = []
    for _ in range(2):
        restored.crash()
        restored.restart()
        drawn.append(client.get("/healthz").headers["x-request-id"])

    assert drawn[0] != drawn[1]


def _save(source: str, folder: Path) -> Path:
    """Save the memory of a small Worker after its import."""
    worker = folder / "worker.py"
    worker.write_text(source + EMPTY_WORKER, encoding="utf-8")
    return save_snapshot(RUNTIME, worker, DEDICATED.with_flags(OWN_SDK_FLAG), Layout().snapshot)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "import random\nSEED = random.random()\n",
            "Cannot use random",
        ),
        ("import secrets\nKEY = secrets.token_hex()\n", "OSError.*Randomness is not allowed"),
        ("import js\nSHARED = js.Object.new()\n", "Can't serialize top-level variable"),
        ("import js\nHEADERS = js.Response.new('kept')\n", "not allowed within global scope"),
    ],
    ids=["random", "secrets", "object", "response"],
)
def test_a_worker_that_cannot_be_kept_says_why(source: str, reason: str, tmp_path: Path) -> None:
    """What Cloudflare refuses at deploy is refused here, with the same sentence."""
    with pytest.raises(SnapshotError, match=reason) as raised:
        _save(source, tmp_path)

    assert "\n  at " not in str(raised.value)


def _import_without_clocks(folder: Path, appended: str) -> None:
    """Import the Worker, with `appended` at the end of its schema, where no import reads a clock.

    Raises:
        SnapshotError: with the reason why it cannot be imported.
    """
    sources = folder / "src"
    shutil.copytree(ROOT / "src", sources, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "python_modules", sources / "python_modules")
    worker = Path(shutil.copy(ROOT / "tests" / "worker" / "clockless.py", sources))
    with (sources / "schema.py").open("a", encoding="utf-8") as schema:
        schema.write(appended)
    save_snapshot(RUNTIME, worker, DEDICATED, Layout().snapshot)


def test_no_module_reads_a_clock_during_the_import(tmp_path: Path) -> None:
    """The time of a deploy would be kept in every isolate, and the runtime does not refuse it."""
    _import_without_clocks(tmp_path, "")


def test_a_clock_that_is_read_during_the_import_is_named(tmp_path: Path) -> None:
    """The control of the test above; it is found through another function too."""
    read = "from email.utils import formatdate\nMADE = formatdate()\n"

    with pytest.raises(SnapshotError, match=r"schema\.py, line \d+ reads a clock"):
        _import_without_clocks(tmp_path, read)


def test_a_worker_that_can_be_kept_is_saved(tmp_path: Path) -> None:
    """The control of the refusals above."""
    saved = _save("import random, secrets, js\n", tmp_path)

    assert '"snapshotType":"dedicated"' in saved.read_bytes()[:1_000_000].decode("latin-1")
