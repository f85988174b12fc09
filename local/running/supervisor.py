"""Supervise a local Worker: show its log, tick, reload saved files, restart what ended."""

from __future__ import annotations

import re
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from local.failures import StartError
from local.running.loopback import is_listening
from local.running.source_check import SourceMistake

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from local.running.local_worker import LocalWorker

_LOOK_SECONDS: Final = 0.3
_TICK_SECONDS: Final = 60.0
"""As the cron trigger in wrangler.toml says."""

_CLOSED_LOOKS: Final = 7
"""A port that is closed at so many looks in a row, for two seconds, will not open by itself."""

_NOTICE_SECONDS: Final = 5.0
"""wrangler reloads a second after a save. After this time it is reminded of the save."""

_RELOAD_SECONDS: Final = 90.0
"""If wrangler has not reloaded a save after this time, the Worker is restarted with it."""

_AGAIN_SECONDS: Final = 20.0
"""A runtime that wrangler restarts takes two to five. A proxy without its Worker hangs."""

_MAX_RESTARTS: Final = 3
_RESTART_WINDOW_SECONDS: Final = 120.0
"""A part that ends more often than `_MAX_RESTARTS` within this time is not started again."""

_MAX_RECOVERY_TICKS: Final = 50
"""Extra ticks, without a pause, that send lost messages. The rest waits for the minute's ticks."""

_RELOADING: Final = "reloading local server"
_READY: Final = "updated and ready"
_CRASHED: Final = "runtime crashed unexpectedly"
"""What wrangler prints, in lower case: before a reload, after a start, after a crash."""

_MODULE_LIST: Final = re.compile(r"^(Attaching additional modules:|[┌│├└].*)\n", re.MULTILINE)
"""A table of a hundred lines that wrangler prints at each reload. It is not shown."""


class Supervisor:
    """Supervises a running Worker until somebody presses Ctrl-C."""

    def __init__(self, worker: LocalWorker[Any], say: Callable[[str], None]) -> None:
        """Supervise `worker`, which has started, and show text with `say`."""
        self._worker = worker
        self._say = say
        self._next_tick = time.monotonic()
        self._recovery_ticks = 0
        self._closed_looks = 0
        self._restarts: deque[float] = deque(maxlen=_MAX_RESTARTS)
        self._unproven_since: float | None = None
        self._is_noticed = False
        self._next_touch = 0.0
        self._had_mistake = False
        self._unread = ""
        self._recover_messages()

    def run(self) -> None:
        """Supervise the Worker.

        Raises:
            StartError: a part ended and could not be started again.
        """
        self._log = self._open_log()
        try:
            while True:
                self._follow_log()
                self._restart_what_ended()
                self._reload_what_was_saved()
                self._tick()
                time.sleep(_LOOK_SECONDS)
        finally:
            self._log.close()

    def _open_log(self) -> TextIO:
        """Open the log at its end. The launcher describes a start in its own words."""
        log = self._worker.wrangler_log.open(encoding="utf-8", errors="replace")
        log.seek(0, 2)
        return log

    def _follow_log(self) -> None:
        text = self._log.read()
        self._say(_MODULE_LIST.sub("", text))
        # The last line may be incomplete.
        said, _, self._unread = (self._unread + text.lower()).rpartition("\n")
        if _RELOADING in said:
            self._is_noticed = True
        if _READY in said or _CRASHED in said:
            self._check_what_started_again()

    def _check_what_started_again(self) -> None:
        """Restart the Worker if it does not answer. Otherwise keep the sources it runs with."""
        if not self._worker.answers(_AGAIN_SECONDS):
            self._restart_worker()
        elif self._unproven_since is not None and not self._is_noticed:
            # This was the end of an earlier reload.
            self._worker.touch_sources()
        else:
            self._unproven_since = None
            self._worker.keep_sources()
            self._recover_messages()

    # Time

    def _recover_messages(self) -> None:
        """Have lost messages sent again: a runtime that ended has lost those in its queues."""
        if self._worker.requeue_lost_messages():
            self._recovery_ticks = _MAX_RECOVERY_TICKS

    def _tick(self) -> None:
        if self._recovery_ticks and self._worker.has_lost_messages():
            self._recovery_ticks -= 1
        else:
            self._recovery_ticks = 0
            if time.monotonic() < self._next_tick:
                return
        self._next_tick = time.monotonic() + _TICK_SECONDS
        self._worker.tick()

    # Saved files

    def _reload_what_was_saved(self) -> None:
        if self._unproven_since is not None:
            # Only one save at a time is tried, so that a rollback takes back the right one.
            self._wait_for_reload(time.monotonic() - self._unproven_since)
            return
        if not self._worker.has_changed_sources():
            return
        try:
            is_new = self._worker.refresh()
        except SourceMistake as mistake:
            self._had_mistake = True
            self._say(f"\n{mistake} The last good version keeps answering until you mend it.\n\n")
            return
        if is_new:
            self._unproven_since, self._is_noticed = time.monotonic(), False
            self._next_touch = self._unproven_since + _NOTICE_SECONDS
            self._say("\nReloading what was saved ...\n")
            for sentence in self._worker.notices():
                self._say(f"{sentence}\n")
        elif self._had_mistake:
            self._say("\nThe sources are again what the Worker runs.\n")
        self._had_mistake = False

    def _wait_for_reload(self, seconds: float) -> None:
        """Remind wrangler of a save. Restart the Worker if wrangler never reloads it."""
        if seconds > _RELOAD_SECONDS:
            self._restart_worker()
        elif not self._is_noticed and time.monotonic() > self._next_touch:
            self._next_touch = time.monotonic() + _NOTICE_SECONDS
            self._worker.touch_sources()

    def _roll_back(self) -> None:
        self._worker.roll_back()
        self._say(
            "\nThe Worker does not start with what was saved, for the reason above. "
            "The last good version keeps answering until you mend it.\n\n"
        )

    # Deaths

    def _restart_what_ended(self) -> None:
        if not self._worker.platform_is_running():
            self._restart("Workers AI and Vectorize", self._worker.restart_platform)
        is_open = is_listening(self._worker.config.port)
        self._closed_looks = 0 if is_open else self._closed_looks + 1
        is_running = self._worker.is_running()
        if is_running and self._closed_looks < _CLOSED_LOOKS:
            return
        self._say(_MODULE_LIST.sub("", self._log.read()))
        self._restart_worker()

    def _restart_worker(self) -> None:
        """Restart the Worker, with the last save unless the save is why it ended."""
        is_unproven, self._unproven_since = self._unproven_since is not None, None
        if is_unproven and not self._worker.is_running():
            self._roll_back()
            is_unproven = False
        try:
            self._restart("The Worker", self._worker.restart)
        except StartError:
            if not is_unproven:
                raise
            self._roll_back()
            self._restart("The Worker", self._worker.restart)
        self._worker.keep_sources()
        self._closed_looks = 0
        self._log.close()
        self._log = self._open_log()
        self._recover_messages()

    def _restart(self, what: str, restart: Callable[[], None]) -> None:
        now = time.monotonic()
        times = len(self._restarts)
        if times == _MAX_RESTARTS and now - self._restarts[0] < _RESTART_WINDOW_SECONDS:
            raise StartError(f"{what} ended again and again; {self._worker.wrangler_log} says why.")
        self._restarts.append(now)
        self._say(f"\n{what} ended; starting again ...\n")
        restart()
        self._say(f"{what}: running again.\n\n")
