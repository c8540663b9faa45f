"""Hostile requests: no server error, nothing half done, and a message that helps."""

import json
import sys

import pytest
from django.utils import timezone

from invoices.models import Document
from invoices.tasks import render_documents, send_mails
from payments.services.gateway import call_due_gateways
from shipments.services.label_purchase import call_due_carriers
from tests.broker.conftest import publish, wait_until
from tests.consumers.inventory import EXTENSIONS
from tests.consumers.truth import true_levels
from tests.doors import servers
from tests.doors.hostile.run import NEIGHBOUR, ORGANIZATION, Run
from tests.doors.hostile.targets import CONTEXTS, SECRETS
from tests.flows.lives.client import Client, Traffic
from tests.flows.lives.evidence import Evidence, read_api
from tests.flows.lives.run import JUDGES, everything_queue, open_work, read

SEED = 20261130  # the usual run sends the same requests each time
QUEUES = {"inventory_order_consumer": list(EXTENSIONS)}  # it has the true stock only with these
PRODUCTION = {
    "DEBUG": "false",
    "SECURE_SSL_REDIRECT": "false",
    "PUBLIC_URL": "http://localhost:8000",
    "PAYMENT_SANDBOX": "true",
    "CARRIER_SANDBOX": "true",
    "EVENTS_CONSUMER_QUEUES": json.dumps(QUEUES),
}


@pytest.fixture(scope="module")
def web(django_db_setup, django_db_blocker):
    """Yield the address of gunicorn, which runs as in production and accepts signed webhooks."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        for name, value in {**PRODUCTION, **SECRETS}.items():
            patch.setenv(name, value)
        with servers.gunicorn() as address:
            yield address


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("context", CONTEXTS)
def test_hostile_requests_break_nothing(context, web, run_reactions, pytestconfig, settings):
    settings.EVENTS_CONSUMER_QUEUES = QUEUES
    seed = pytestconfig.getoption("--hostile-seed", SEED)
    run = Run(context, web, seed=seed)
    with everything_queue() as queue:
        run.attack(pytestconfig.getoption("--hostile", 50))
        sys.stderr.write(f"{run.figures()}\n")
        assert not run.findings, run.report()
        settle(run_reactions)
        readers = [
            Client(f"localhost:{web[1]}", name, Traffic()) for name in (ORGANIZATION, NEIGHBOUR)
        ]
        rows, timelines = read_api(readers)
        evidence = Evidence(read(queue), rows, timelines, set(), true_levels())
    found = [
        f"{judge.__name__}: {stream}: {text}"
        for module in JUDGES
        for judge in module.JUDGES
        for stream, text in judge(evidence)
    ]
    assert not found, "\n".join([*found, run.report()])


def settle(run_reactions):
    """Do what workers would do, until nothing is pending."""
    pending = []

    def is_settled():
        run_reactions()
        now = timezone.now()
        call_due_gateways(now=now)
        call_due_carriers(now=now)
        render_documents()
        send_mails()
        publish()
        # A text that no font can print waits for an operator, with its mail.
        unprintable = Document.objects.filter(rendered_at=None).exclude(last_error="")
        waiting = set(unprintable.values_list("invoice", flat=True))
        pending[:] = [r for r in open_work() if getattr(r, "invoice_id", None) not in waiting]
        return not pending

    wait_until(is_settled, pending, patience=600)
