"""How each kind of database is connected to."""

from typing import Any

SQLITE = {
    # Without these, concurrent writers get "database is locked".
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}


def postgresql(pool_size: int) -> dict[str, Any]:
    """Return the options for up to so many connections of a process, or 0 for no pool."""
    options = {
        # A host that has vanished keeps nothing locked, and nobody waits for one for ever.
        "options": "-c idle_in_transaction_session_timeout=60s",
        "keepalives_idle": 30,  # seconds
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,  # milliseconds
    }
    if not pool_size:
        return options
    return options | {
        "pool": {
            "min_size": 1,
            "max_size": pool_size,
            "timeout": 10,
            # Unless it soon begins anew, it comes back as long after the database as that was away.
            "reconnect_timeout": 5,
        }
    }
