"""Members of several organizations who write at random, by the API alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.stage.story import POISON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from tests.sweep import Ask

RECORDS: Final = ("r1", "r2", "r3")
"""Every organization has the same ids."""

ANSWERS: Final = {200, 201, 202, 207, 404, 409, 503}
"""A record that is there or not, a backfill that runs, an outage: no other answer is right."""


@dataclass
class Author:
    """One act at a time.

    Attributes:
        random: decides about everything.
        canaries: organization id to the word in each of its texts.
        ask: sends a request.
        texts: what a record may say, behind the canary.
        acts: how often each thing was done, by its name and status.
    """

    random: Random
    canaries: Mapping[str, str]
    ask: Ask
    texts: Sequence[str]
    acts: dict[str, int] = field(default_factory=dict)

    async def act(self) -> str:
        """Do something; what it was."""
        owner = self.random.choice(list(self.canaries))
        acts = ((self._put, 50), (self._delete, 15), (self._batch, 12), (self._post, 5))
        rare = ((self._backfill, 4), (self._retry, 3))
        choices = [*acts, *rare]
        [act] = self.random.choices([act for act, _ in choices], [weight for _, weight in choices])
        name, (status, text) = await act(owner)
        assert status in ANSWERS, (name, status, text)
        self.acts[f"{name} {status}"] = self.acts.get(f"{name} {status}", 0) + 1
        return f"{owner} {name} {status}"

    async def close(self) -> None:
        """Let everybody have something of each kind, for a sweep to find."""
        for owner, canary in self.canaries.items():
            claim = {"content": f"{canary} at last", "storyId": canary}
            article = {"title": canary, "body": f"{canary} at last", "section": canary}
            for table, fields in (("claims", claim), ("articles", article)):
                body = {"id": "last", **fields}
                status, text = await self.ask(owner, "POST", f"/api/v1/{table}", body)
                assert status == 201, text
            for path, body in (
                ("/api/v1/embeddings", {"content": f"{canary} at last"}),
                ("/api/v1/embeddings/backfill", {"table": "claims"}),
            ):
                status, text = await self.ask(owner, "POST", path, body)
                assert status in {202, 409}, text  # 409: there is one already.

    def summary(self) -> str:
        """What was done, for whoever reads the output."""
        return ", ".join(f"{name}: {count}" for name, count in sorted(self.acts.items()))

    async def _put(self, owner: str) -> tuple[str, tuple[int, str]]:
        """Create a record, or change the one that is there."""
        table, record_id = self._record()
        fields = self._fields(owner, table)
        answer = await self.ask(owner, "POST", f"/api/v1/{table}", {"id": record_id, **fields})
        if answer[0] != 409:
            return "create", answer
        some = self.random.sample(sorted(fields), self.random.randint(1, len(fields)))
        changed = {name: fields[name] for name in some}
        return "update", await self.ask(owner, "PATCH", f"/api/v1/{table}/{record_id}", changed)

    async def _delete(self, owner: str) -> tuple[str, tuple[int, str]]:
        table, record_id = self._record()
        return "delete", await self.ask(owner, "DELETE", f"/api/v1/{table}/{record_id}")

    async def _batch(self, owner: str) -> tuple[str, tuple[int, str]]:
        """Something for each record, whether or not it is possible."""
        table, _ = self._record()
        operations: list[dict[str, Any]] = []
        for record_id in RECORDS:
            operation = self.random.choice(["create", "update", "delete"])
            operations.append({"operation": operation, "id": record_id})
            if operation != "delete":
                operations[-1]["record"] = self._fields(owner, table)
        body = {"operations": operations}
        return "batch", await self.ask(owner, "POST", f"/api/v1/{table}/batch", body)

    async def _post(self, owner: str) -> tuple[str, tuple[int, str]]:
        """A text of no table, or for a record in place of its own."""
        body = {"content": self.text(owner)}
        if self.random.random() < 0.5:
            table, record_id = self._record()
            body |= {"table": table, "id": record_id}
        return "post", await self.ask(owner, "POST", "/api/v1/embeddings", body)

    async def _backfill(self, owner: str) -> tuple[str, tuple[int, str]]:
        table, _ = self._record()
        only = self.random.choice(["missing", "stale", "all"])
        body = {"table": table, "only": only}
        return "backfill", await self.ask(owner, "POST", "/api/v1/embeddings/backfill", body)

    async def _retry(self, owner: str) -> tuple[str, tuple[int, str]]:
        table, _ = self._record()
        return "retry", await self.ask(
            owner, "POST", "/api/v1/embeddings/jobs/retry", {"table": table}
        )

    def _record(self) -> tuple[str, str]:
        table = "claims" if self.random.random() < 0.8 else "articles"
        return table, self.random.choice(RECORDS)

    def _fields(self, owner: str, table: str) -> dict[str, Any]:
        group = self.random.choice([self.canaries[owner], None])
        if table == "claims":
            return {"content": self.text(owner), "storyId": group}
        year = self.random.choice([2024, 2025, None])
        title = f"About {self.canaries[owner]}"
        return {"title": title, "body": self.text(owner), "section": group, "year": year}

    def text(self, owner: str) -> str:
        """What one of its texts may say."""
        text = POISON if self.random.random() < 0.05 else self.random.choice(self.texts)
        return f"{self.canaries[owner]}: {text}"
