"""Two consumers on one record, in every order of their calls, and with one of them dying.

A job says "look at this record again", so whatever the order, the index ends up with what D1 says.
"""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from cognate.consumer import consume
from cognate.jobs.messages import Delivery
from tests.stage.faults import Worker
from tests.stage.platform import ACME, QUEUE, SCHEMA, Stage, long_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cognate.jobs.messages import RetryDelays
    from cognate.ports import Platform

SHORT: Final = "A short text about a harbour."
OTHER: Final = "Another sentence on mountain railways."
LONG: Final = long_text(3)

STORIES: Final = {
    # name: what the record says at first, after the first change, after the second; None: deleted.
    # What opens with ">" is posted for it; "SQL" is its deletion behind the API.
    "two changes": (SHORT, OTHER, "A third text on weather."),
    "a change and back": (SHORT, OTHER, SHORT),
    "longer and back": (SHORT, LONG, SHORT),
    "shorter and back": (LONG, SHORT, LONG),
    "changed, then deleted": (SHORT, LONG, None),
    "deleted, then made again": (LONG, None, SHORT),
    "emptied, then filled": (LONG, " ", OTHER),
    "filled, then emptied": ("", LONG, ""),
    "only metadata": (SHORT, SHORT, SHORT),
    "changed, then posted for": (SHORT, LONG, f">{OTHER}"),
    "posted for, then changed": (SHORT, f">{LONG}", OTHER),
    "posted for, twice": (" ", f">{OTHER}", f">{LONG}"),
    "changed, then deleted by SQL": (SHORT, LONG, "SQL"),
    "deleted by SQL, then made again": (LONG, "SQL", SHORT),
}


def merges(first: str, second: str) -> Iterator[str]:
    """Return every interleaving of two sequences."""
    size = len(first) + len(second)
    for places in combinations(range(size), len(first)):
        rest, mine = iter(second), iter(first)
        yield "".join(next(mine) if place in places else next(rest) for place in range(size))


def some(plans: Iterator[str], number: int) -> list[str]:
    """Choose some interleavings, always the same ones: all of them take minutes."""
    known = list(plans)
    return Random(number).sample(known, min(number, len(known)))  # noqa: S311 - no secret


class Story:
    """One record, two changes, two consumers.

    The letters of a plan: `a` and `b` are a step of a consumer, `w` is the second change, which
    `b` takes up; `x` is the end of consumer `a`, whose messages come back.
    """

    def __init__(self, texts: tuple[str | None, str | None, str | None]) -> None:
        self.stage = Stage()
        self.texts = texts
        self.workers: dict[str, Worker[RetryDelays]] = {}
        self.deliveries: dict[str, list[Delivery]] = {}

    async def play(self, plan: str) -> list[str]:
        """What is wrong at the end."""
        await self.change(0)
        await self.stage.drain()
        await self.change(1)
        self.start("a")
        for letter in plan:
            if letter == "w":
                await self.change(2)
                self.start("b")
            elif letter == "x":
                await self.workers["a"].kill()
            else:
                await self.workers[letter].step()
        for name, worker in self.workers.items():
            verdicts = {} if worker.is_killed else await worker.finish()
            again = [
                Delivery(item.message_id, item.body, item.attempts + 1)
                for item in self.deliveries[name]
                if worker.is_killed or verdicts[item.message_id] is not None
            ]
            await self.stage.consume(again)
        await self.stage.settle()
        return [*await self.stage.discrepancies(), *await self.lost_text()]

    async def lost_text(self) -> list[str]:
        """Whether the text that counts is another one than the last that was posted."""
        last = self.texts[-1]
        expected = last[1:] if last is not None and last.startswith(">") else None
        rows = await self.stage.rows("SELECT posted_text FROM cognate_embeddings")
        return [f"posted {row}" for row in rows if row["posted_text"] != expected]

    async def change(self, version: int) -> None:
        """The record as it is from now on."""
        text = self.texts[version]
        if text is None:
            await self.stage.delete(ACME, "r1")
        elif text == "SQL":
            await self.stage.rows("DELETE FROM claims")
            await self.stage.sweep()
        elif text.startswith(">"):
            await self.stage.post(ACME, text[1:], "r1")
        else:
            await self.stage.write(ACME, "r1", text, story_id=f"story {version}")

    def start(self, name: str) -> None:
        """Start a consumer of the messages that are in the queue."""
        deliveries = self.stage.local.queue.take()
        self.stage.local.queue.settle({})

        async def work(platform: Platform) -> RetryDelays:
            return await consume(platform, SCHEMA, QUEUE, deliveries)

        self.deliveries[name] = deliveries
        self.workers[name] = Worker(self.stage.local, work)


async def play_all(name: str, plans: list[str]) -> dict[str, list[str]]:
    """Return the plans that end badly, and how."""

    async def play() -> dict[str, list[str]]:
        found = {plan: await Story(STORIES[name]).play(plan) for plan in plans}
        return {plan: wrong for plan, wrong in found.items() if wrong}

    return await play()


@pytest.mark.parametrize("name", STORIES)
async def test_two_consumers_in_every_order(name: str) -> None:
    """A result for an older text never wins, whatever the order of the calls."""
    assert await play_all(name, some(merges("aaaa", "wbbbb"), 24)) == {}


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
async def test_one_consumer_dies(name: str, steps: int) -> None:
    """A consumer that dies at any call leaves nothing wrong behind."""
    assert await play_all(name, some(merges("a" * steps + "x", "wbbbb"), 8)) == {}
