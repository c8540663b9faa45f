"""How a worker comes back to its broker."""

from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

LONGEST_PAUSE = 5  # seconds; Celery's own half a minute is how long nothing would be published


class Consumer(CeleryConsumer):
    """Celery's reader of the queues, which asks for its broker more often."""

    def ensure_connected(self, conn: Any) -> Any:
        """Wait until there is a connection."""
        ensure = conn.ensure_connection

        def ensure_soon(*args: Any, **kwargs: Any) -> Any:
            return ensure(*args, interval_start=1, interval_max=LONGEST_PAUSE, **kwargs)

        conn.ensure_connection = ensure_soon
        return super().ensure_connected(conn)
