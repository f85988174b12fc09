"""Tests of `local.setup.steps`: a step runs once, and again when it must."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from local.setup.steps import SetupError, Step, run_logged, run_steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Checkout:
    """A folder with one input and one product. It counts the runs of the step."""

    def __init__(self, folder: Path) -> None:
        self.input = folder / "input"
        self.product = folder / "product"
        self.foreign = folder / "foreign"
        self.stamps = folder / "stamps"
        self.ran = 0
        self.value = "3.11"
        self.said: list[str] = []
        self.input.write_text("one")

    def make(self) -> None:
        """Run the step."""
        self.ran += 1
        self.product.write_text("made")

    def run(self, make: Callable[[], None] | None = None) -> int:
        """Run the set-up with this one step."""
        step = Step(
            "name",
            "title",
            [self.input],
            [self.value],
            [self.product],
            make or self.make,
            [self.foreign],
        )
        return run_steps([step], self.stamps, self.said.append)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout whose step has never run."""
    return Checkout(tmp_path)


def test_a_step_runs_once(checkout: Checkout) -> None:
    """The second set-up has nothing to do, and prints nothing."""
    assert [checkout.run(), checkout.run()] == [1, 0]
    assert checkout.ran == 1
    assert "".join(checkout.said).startswith("[1/1] title ...")
    assert len(checkout.said) == 2


def test_what_another_program_made_runs_it_again(checkout: Checkout) -> None:
    """The tool pywrangler replaces the tested wheels and leaves this file."""
    checkout.run()
    checkout.foreign.write_text("made by somebody else")

    assert checkout.run(checkout.foreign.unlink) == 1
    assert checkout.run() == 0


def test_a_changed_input_runs_it_again(checkout: Checkout) -> None:
    """A new lock file means new packages."""
    checkout.run()
    checkout.input.write_text("two")

    assert checkout.run() == 1


def test_a_changed_value_runs_it_again(checkout: Checkout) -> None:
    """Another Python means another environment."""
    checkout.run()
    checkout.value = "3.12"

    assert checkout.run() == 1


def test_a_missing_product_runs_it_again(checkout: Checkout) -> None:
    """A deleted folder is made again."""
    checkout.run()
    checkout.product.unlink()

    assert checkout.run() == 1


def test_a_failed_step_is_not_done(checkout: Checkout) -> None:
    """A failure leaves no stamp, not even an older one."""
    checkout.run()
    checkout.input.write_text("two")

    def fail() -> None:
        raise SetupError("no")

    with pytest.raises(SetupError):
        checkout.run(fail)
    checkout.input.write_text("one")
    assert checkout.run() == 1


def _fail(log: Path, said: str) -> str:
    script = f"import sys; print({said!r}); sys.exit(3)"
    with pytest.raises(SetupError) as failure:
        run_logged([sys.executable, "-c", script], log, "Doing it")
    return str(failure.value)


def test_a_failed_command_is_one_sentence_that_names_its_log(tmp_path: Path) -> None:
    """The output of the command is in the log, not in the sentence."""
    log = tmp_path / "logs" / "it.log"

    assert _fail(log, "some trouble") == f"Doing it failed; {log} says why."
    assert log.read_text() == "some trouble\n"


@pytest.mark.parametrize(
    "said",
    [
        "npm error code ECONNREFUSED",
        "error: Failed to fetch: `https://registry.example/simple/uv/`",
        "ERROR: No matching distribution found for uv==0.13.8",
        "NewConnectionError('...: Failed to establish a new connection')",
        "npm error code ENOTFOUND",
    ],
)
def test_a_registry_out_of_reach_is_named(tmp_path: Path, said: str) -> None:
    """This common trouble has its own sentence about the network and the settings."""
    assert "the package registry did not give it" in _fail(tmp_path / "it.log", said)


def test_earlier_output_does_not_explain_a_later_failure(tmp_path: Path) -> None:
    """Only the output of this command counts."""
    log = tmp_path / "it.log"
    _fail(log, "ECONNREFUSED")

    assert _fail(log, "disk full") == f"Doing it failed; {log} says why."


def test_a_program_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """A missing program gives no traceback."""
    with pytest.raises(SetupError, match="could not be started"):
        run_logged([str(tmp_path / "nothing")], tmp_path / "it.log", "Doing it")
