"""How each kind of database is connected to."""

from typing import Any

SQLITE = {
    # Without these, concurrent writers get "database is locked".
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}
# A host that has vanished keeps nothing locked, and nobody waits for one for ever: what the server
# does about its clients, and what we do about the server.
SERVER = (
    "-c idle_in_transaction_session_timeout=60s -c tcp_user_timeout=30s"
    " -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
)
CLIENT = {
    "tcp_user_timeout": 30_000,  # milliseconds
    "keepalives_idle": 30,  # seconds
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


def postgresql(pool_size: int, *, options: str = "", **given: Any) -> dict[str, Any]:
    """Return the options for up to so many connections of a process, or 0 for no pool.

    `options` and the rest are what the installation asks for in DATABASE_URL.
    """
    ours: dict[str, Any] = {"options": f"{SERVER} {options}".strip(), **CLIENT}
    if pool_size:
        ours["pool"] = {
            "min_size": 1,
            "max_size": pool_size,
            "timeout": 10,
            # Unless it soon begins anew, it comes back as long after the database as that was away.
            "reconnect_timeout": 5,
        }
    return ours | given
