"""What is done again and again: every timer, and how often."""

from typing import Any


def _every(seconds: int, task: str) -> dict[str, Any]:
    # The broker drops a beat nobody took within its period; a worker's clock has no say in it.
    return {"task": task, "schedule": seconds, "options": {"expiration": seconds}}


SCHEDULE = {
    "sweep": _every(1, "events.tasks.sweep"),
    "abandon idle carts": _every(60, "carts.tasks.abandon_idle_carts"),
    "expire idle carts": _every(600, "carts.tasks.expire_idle_carts"),
    "expire unpaid orders": _every(15, "orders.tasks.expire_unpaid_orders"),
    "call gateways": _every(2, "payments.tasks.call_gateways"),
    "process gateway webhooks": _every(60, "payments.tasks.process_pending_webhooks"),
    "call carriers": _every(2, "shipments.tasks.call_carriers"),
    "poll carriers": _every(60, "shipments.tasks.poll_carriers"),
    "process carrier webhooks": _every(60, "shipments.tasks.process_pending_webhooks"),
    "render and mail invoices": _every(2, "invoices.tasks.deliver_documents"),
    "remove old events": _every(3600, "events.tasks.remove_old_events"),
    "delete old idempotency records": _every(600, "config.api.tasks.delete_old_records"),
}
