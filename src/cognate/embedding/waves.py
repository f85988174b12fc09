"""How much of a batch is in memory at once: the bounds of a wave, and which jobs start with it.

An isolate has 128 MB, for all that runs in it. Of these about 40 are taken when nothing runs yet.
The bindings of Workers AI and Vectorize are JavaScript in the same isolate: a call of 1,000 vectors
of 1,024 numbers makes 22 MB of JSON and 80 MB of heap there. So a batch runs in waves. A wave
starts its jobs, reads their texts, embeds, indexes and stores them before the next one starts.
`tests/worker/test_memory.py` measures what that comes to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cognate.text_limits import MAX_TEXT_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    Item = TypeVar("Item")

MAX_WAVE_CHARACTERS: Final = 500_000
"""Characters of the texts that one wave reads: a hundred texts of 5,000, or five of the longest.
D1's answer, its JSON and the strings of Python hold each of them up to six times."""

MAX_COLUMN_CHARACTERS: Final = MAX_TEXT_CHARACTERS + 1
"""Characters that are read of one column. One more than may be embedded: the text is too long."""

MAX_WAVE_NUMBERS: Final = 204_800
"""Numbers of the vectors that one wave makes: the 200 vectors of the longest record at 1,024
dimensions, or 200 short texts. As hexadecimal digits for D1 they are 1.6 MB."""

MAX_CALL_NUMBERS: Final = 102_400
"""Numbers in one call of Vectorize: 100 vectors of 1,024, as many as one call of Workers AI
answers. They are 2.2 MB of JSON, and 8 MB of heap while it is written."""


def grouped(items: Iterable[Item], size: Callable[[Item], int], limit: int) -> Iterator[list[Item]]:
    """Items in order, in groups whose sizes add up to at most `limit`; none is divided.

    The next item is taken only when its group is asked for.
    """
    group: list[Item] = []
    total = 0
    for item in items:
        if group and total + size(item) > limit:
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item)
    if group:
        yield group
