"""Opening a database of trials, with whatever can go wrong told in one line and without its password.

SQLite keeps its rollback journal: a write-ahead log would be a little faster with several writers, but needs memory
shared between them and so breaks on the network disks of a cluster. Writers wait for each other up to a minute.
"""

import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypotheta.errors import ConfigurationError, InputFileError, MissingExtraError, OutputError

__all__ = ["connect", "patiently", "shown"]

T = TypeVar("T")
_LOG = logging.getLogger(__name__)

_WAIT_SECONDS = 60
_ATTEMPTS = 10
#: what several processes on one database do to each other; it passes
_PASSING = ("locked", "busy", "deadlock", "already exists", "duplicate key", "unique constraint", "serializ")
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def shown(url: str) -> str:
    """Return a database URL without its password.

    Example:
        >>> shown("postgresql://me:secret@host/trials")
        'postgresql://me:***@host/trials'
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "the database's URL"


def connect(url: str, *, create: bool, heartbeat: int | None = None, **options: Any) -> Any:
    """Open a database of trials.

    Args:
        url: a database URL of SQLAlchemy; PostgreSQL is talked to by psycopg.
        create: make what is missing; else a SQLite file must be there.
        heartbeat: seconds between signs of life of running trials; None: they give none.
        **options: further arguments of Optuna's storage.

    Returns:
        Optuna's storage.

    Raises:
        ConfigurationError: no URL of a database, or of an unknown kind.
        MissingExtraError: its driver is not installed.
        InputFileError: a SQLite file is not there, or is none.
        OutputError: the database cannot be reached or written to.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        parsed = make_url(url)
        parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        sqlite = parsed.get_backend_name() == "sqlite"
    except (ArgumentError, ValueError) as err:
        example = "sqlite:///trials.db or postgresql://user@host/database"
        raise ConfigurationError(f"the storage of trials is no database URL; write it as {example}") from err
    where = parsed.render_as_string(hide_password=True)
    if sqlite and not create and not Path(parsed.database or "").is_file():
        raise InputFileError(f"{where}: there is no such record yet; run 'hypotheta train' or 'hypotheta tune' first")
    # no pool: a connection lives as long as it is used, so that none is left open or goes stale during a training
    engine: dict[str, Any] = {"poolclass": NullPool}
    if sqlite:
        engine["connect_args"] = {"timeout": _WAIT_SECONDS}
    elif parsed.drivername == "postgresql+psycopg":
        engine["connect_args"] = {"connect_timeout": 10}
    try:
        return patiently(lambda: _storage(parsed.render_as_string(hide_password=False), engine, heartbeat, options))
    except (NoSuchModuleError, ImportError) as err:
        known = parsed.get_backend_name()
        if known == "postgresql":
            raise MissingExtraError(f"{where}: needs psycopg; pip install 'hypotheta[postgresql]'") from err
        message = f"{where}: no driver for '{known}' is installed; use sqlite or postgresql, or install it"
        raise ConfigurationError(message) from err
    except (SQLAlchemyError, OSError, RuntimeError, AssertionError) as err:
        reason = _reason(err, parsed.password)
        if "not a database" in reason or "malformed" in reason:
            raise InputFileError(f"{where}: this file is no record of trials ({reason}); choose another") from err
        remedy = "choose another storage" if sqlite else "start the server, or correct the URL"
        raise OutputError(f"{where}: the record of trials cannot be opened ({reason}); {remedy}") from err


def patiently(action: Callable[[], T]) -> T:
    """Do something to a database, again where another process was in the way."""
    for attempt in range(_ATTEMPTS):
        try:
            return action()
        except Exception as err:
            passing = any(word in _reason(err, None).lower() for word in _PASSING)
            if attempt + 1 == _ATTEMPTS or not passing:
                raise
            _LOG.debug("the record of trials is in use, attempt %d: %s", attempt + 1, type(err).__name__)
            # processes that met once would meet again if they waited equally long
            time.sleep(0.05 * 1.6**attempt * (1 + os.getpid() % 7 / 7))
    raise RuntimeError("the last attempt returns or raises")


def _storage(url: str, engine: dict[str, Any], heartbeat: int | None, options: dict[str, Any]) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        # heartbeats are called experimental since 2021
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        grace = None if heartbeat is None else 3 * heartbeat
        return optuna.storages.RDBStorage(
            url, engine_kwargs=engine, heartbeat_interval=heartbeat, grace_period=grace, **options
        )


def _reason(err: BaseException, password: str | None) -> str:
    """Return the database's own words, on one line, without the password."""
    origin: BaseException = err
    while origin.__cause__ is not None:
        origin = origin.__cause__
    text = " ".join(str(getattr(origin, "orig", None) or origin).split()) or type(origin).__name__
    return text.replace(str(password), "***") if password else text
