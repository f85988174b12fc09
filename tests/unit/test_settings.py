"""Settings are read from variables, and a wrong value gives one clear error."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cognate.errors import ConfigurationError
from cognate.settings import (
    ALLOWED_ORIGINS,
    AUTH_NAMING,
    JOB_RETENTION,
    SECRET,
    TEXT_RETENTION,
    VARIABLES,
    Retention,
    Settings,
)


def test_nothing_set_is_the_default() -> None:
    """An absent variable, None and a blank value all mean that it is not set."""
    blank = dict.fromkeys(VARIABLES, " ")

    assert Settings.read({}) == Settings.read(dict.fromkeys(VARIABLES)) == Settings()
    assert Settings.read(blank) == Settings()


def test_reads_every_variable() -> None:
    """It reads the known variables and no others."""
    settings = Settings.read(
        {
            SECRET: " secret ",
            ALLOWED_ORIGINS: "https://a.example.com, http://localhost:5173 ,",
            AUTH_NAMING: "camelCase",
            "OTHER": "x",
        }
    )

    assert settings.auth_secret == " secret "
    assert settings.allowed_origins == {"https://a.example.com", "http://localhost:5173"}
    assert settings.auth_naming == "camelCase"


def test_the_secret_is_not_in_the_representation() -> None:
    """The representation could end in a log."""
    assert "canary" not in repr(Settings(auth_secret="canary"))


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]:3000",
        "https://xn--bcher-kva.example",
        "http://app",
    ],
)
def test_an_origin_is_taken_as_browsers_send_it(origin: str) -> None:
    """An origin has a scheme, a host, and a port if it is not the default one."""
    assert Settings.read({ALLOWED_ORIGINS: origin}).allowed_origins == {origin}


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://App.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://*.example.com",
        "https://user@app.example.com",
        "app.example.com",
        "ftp://app.example.com",
        "https://",
        "null",
        "https://a.example.com https://b.example.com",
    ],
)
def test_anything_else_would_never_match(origin: str) -> None:
    """Other values are refused, and the message shows what to write."""
    with pytest.raises(ConfigurationError, match=r"entry 2 of ALLOWED_ORIGINS .* like https://"):
        Settings.read({ALLOWED_ORIGINS: f"https://ok.example.com,{origin}"})


@pytest.mark.parametrize("value", ["*", "https://a.example.com,*"])
def test_every_origin_at_once_is_refused(value: str) -> None:
    """Any page could read data with the cookie of its visitor."""
    with pytest.raises(ConfigurationError, match="cannot be '\\*', because requests carry cookies"):
        Settings.read({ALLOWED_ORIGINS: value})


def test_another_naming_is_refused() -> None:
    """The message lists the known namings."""
    with pytest.raises(ConfigurationError, match="must be one of snake_case, camelCase"):
        Settings.read({AUTH_NAMING: "kebab-case"})


def test_each_value_that_cannot_be_meant_is_found() -> None:
    """The other values are read, and the defaults replace these."""
    settings, errors = Settings.examine(
        {SECRET: "secret", ALLOWED_ORIGINS: "*", AUTH_NAMING: "kebab-case"}
    )

    assert [error.setting for error in errors] == [ALLOWED_ORIGINS, AUTH_NAMING]
    assert settings == Settings(auth_secret="secret")


@pytest.mark.parametrize("name", [JOB_RETENTION, TEXT_RETENTION])
def test_a_retention_is_a_whole_number_of_days(name: str) -> None:
    """It is at most ten years. Jobs have a default, and texts are kept without one."""
    assert Settings.read({}).retention == Retention(timedelta(days=30), None)
    for value, days in (("1", 1), (" 3650 ", 3650)):
        retention = Settings.read({name: value}).retention
        assert (retention.jobs if name == JOB_RETENTION else retention.texts) == timedelta(days)
    for value in ("0", "3651", "-1", "1.5", "x"):
        with pytest.raises(ConfigurationError, match=name):
            Settings.read({name: value})
