"""The instrumented Worker as a test on the host uses it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx

from local.demo.organizations import DemoOrganization, seed
from tests.worker.organization import Organization

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.bindings.faults import FaultKind
    from local.development.local_cognate import LocalCognate

Event = dict[str, Any]

ANY_TYPE: Final = "any"


@dataclass
class Instruments:
    """The running Worker, its platform, its database and what it wrote in its log."""

    worker: LocalCognate
    http: httpx.Client
    platform: httpx.Client
    _events: list[Event] = field(default_factory=list)
    _read_bytes: int = 0

    # The Worker

    def ask(self, path: str, body: Any) -> Any:
        """Use one of the instruments of `tests/worker/instrumented.py`."""
        answer = self.http.post(f"/test/{path}", json=body)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def send(self, *bodies: Any, delay_seconds: int = 0) -> None:
        """Send messages as another Worker would, in one `sendBatch`."""
        self.ask("messages", {"bodies": bodies, "delaySeconds": delay_seconds})

    def sql(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of one statement."""
        [rows] = self.batch([statement, *parameters])
        return rows

    def batch(self, *statements: Sequence[Any]) -> list[list[dict[str, Any]]]:
        """The rows of several statements, which are one transaction."""
        answers = self.ask("sql", {"statements": statements})
        assert isinstance(answers, list), answers
        return answers

    def sweep(self) -> None:
        """Run the sweeper."""
        self.ask("sweeper", {})

    def fail_sends(self, organization_id: str, count: int = 1, kind: str = ANY_TYPE) -> None:
        """Let the next sends of an organization's messages fail: of all, or of one type."""
        asked = {"organization": organization_id, "count": count, "type": kind}
        self.ask("failing-sends", asked)

    def crash(self) -> None:
        """Kill the runtime where it stands; its queue forgets what it held."""
        self.worker.crash()
        self._read_log()

    def restart(self) -> None:
        """Start it again, on the same database."""
        self.worker.restart()
        # It begins a new log.
        self._read_bytes = 0

    def events(self, *names: str) -> list[Event]:
        """What the Worker has logged since its first start, of these kinds or of all."""
        self._read_log()
        return [event for event in self._events if not names or event["event"] in names]

    def _read_log(self) -> None:
        """Parse the whole lines that were written since the last time."""
        with self.worker.wrangler_log.open("rb") as log:
            log.seek(self._read_bytes)
            lines = log.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        self._read_bytes += sum(map(len, whole))
        self._events += [json.loads(line) for line in whole if line.startswith(b'{"event"')]

    # Organizations

    def organization(self, slug: str) -> Organization:
        """A member of a new organization, signed in."""
        demo = DemoOrganization(slug, f"Organization {slug}", f"Member {slug}")
        seed(self.worker.auth_database, [demo])
        return Organization(self.http, demo)

    # Workers AI and Vectorize

    def fault(  # noqa: PLR0913 - a fault has these parts
        self,
        binding: str,
        method: str,
        kind: FaultKind = "error",
        message: str = "out of reach",
        *,
        count: int = 1,
        seconds: float = 0,
        match: str | None = None,
        number: int | None = None,
    ) -> None:
        """Let the next calls fail."""
        fault = {"binding": binding, "method": method, "kind": kind, "message": message}
        body = {**fault, "count": count, "seconds": seconds, "match": match, "number": number}
        answer = self.platform.post("/control/faults", json=body)
        assert answer.status_code == httpx.codes.OK, answer.text

    def calm(self) -> None:
        """No faults, no delay, no noise: what every test starts from."""
        self.platform.delete("/control/faults")
        self.platform.put("/control/visibility", json={"seconds": 0})
        self.platform.put("/control/noise", json={"amount": 0})
        self.platform.post("/control/settle")

    def calls(self) -> dict[str, Any]:
        """How often the bindings were called since `reset_calls`."""
        counts: dict[str, Any] = self.platform.get("/control/calls").json()
        return counts

    def reset_calls(self) -> None:
        """Count from zero."""
        self.platform.delete("/control/calls")

    def vectors(self, binding: str) -> dict[str, dict[str, Any]]:
        """The metadata of every vector in an index, by id."""
        answer = self.platform.get(f"/control/vectors/{binding}").json()
        return {vector["id"]: vector["metadata"] or {} for vector in answer["vectors"]}

    def rpc(self, binding: str, method: str, *arguments: Any) -> Any:
        """Call Workers AI or Vectorize from outside of the Worker."""
        answer = self.platform.post(f"/rpc/{binding}/{method}", json={"arguments": arguments})
        body = answer.json()
        assert "result" in body, body
        return body["result"]
