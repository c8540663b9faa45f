"""Connection options of SQLite and PostgreSQL."""

from typing import Any

SQLITE = {
    # Without these, concurrent writers get "database is locked".
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}
# Timeouts for hosts that disappear without closing their connections: the server drops such
# clients and their locks, and this service drops such a server.
SERVER = (
    "-c tcp_user_timeout=30s -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10"
    " -c tcp_keepalives_count=3"
)
CLIENT = {
    "tcp_user_timeout": 30_000,  # milliseconds
    "keepalives_idle": 30,  # seconds
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


def postgresql(pool_size: int, timeouts: str, *, options: str = "", **given: Any) -> dict[str, Any]:
    """Return the options for a pool of up to `pool_size` connections; 0: no pool.

    `timeouts` are those of the role `command`. `options` and `given` are the options in
    DATABASE_URL; they take precedence.
    """
    ours: dict[str, Any] = {
        "options": f"{_flags(timeouts)} {SERVER} {options}".strip(),
        **CLIENT,
        "server_side_binding": True,
        "prepare_threshold": 5,  # times that a connection sends a statement before
    }
    if pool_size:
        ours["pool"] = {
            "min_size": 1,
            "max_size": pool_size,
            "timeout": 10,
            # The default back-off of the pool grows with the time that the database is down.
            "reconnect_timeout": 5,
        }
    return ours | given


def use_timeouts(role: str) -> None:
    """Replace the timeouts of a command by those of another role: `web` or `worker`.

    Must be called before the process opens its first connection.
    """
    from django.conf import settings  # which imports this module

    options = settings.DATABASES["default"]["OPTIONS"]
    if "options" in options:  # SQLite has none
        before, after = (_flags(settings.DATABASE_TIMEOUTS[name]) for name in ("command", role))
        options["options"] = after + options["options"].removeprefix(before)


def _flags(timeouts: str) -> str:
    return " ".join(f"-c {timeout}" for timeout in timeouts.split())
