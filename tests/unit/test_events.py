"""Each event is one line of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cognate.events import emit

if TYPE_CHECKING:
    import pytest


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The name is first, and no value can break the line."""
    emit("job.failed", job="a\nb", code=None, tries=2, final=True)
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "event": "job.failed",
        "job": "a\nb",
        "code": None,
        "tries": 2,
        "final": True,
    }
    assert line.startswith('{"event":"job.failed"')
