"""Tests of `local.failures`."""

from local.failures import BindingError


def test_an_error_crosses_the_wire_as_its_name_and_message() -> None:
    """An Error of a binding has exactly these two."""
    assert BindingError("AiError", "3040: busy").to_wire() == {
        "name": "AiError",
        "message": "3040: busy",
    }


def test_an_error_reads_as_javascript_writes_it() -> None:
    """So the logs of both sides can be compared."""
    assert str(BindingError("AiError", "3040: busy")) == "AiError: 3040: busy"
