"""Random lives of orders over REST, with real processes and faults; see `tests/flows/lives`."""

import secrets

import pytest

from events.aggregate import aggregates
from tests.flows.lives.commands import COMMANDS
from tests.flows.lives.run import prove


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
def test_the_judges_find_nothing_in_some_lives():
    run = prove(range(1, 11), seed=secrets.randbits(32))
    assert not run.findings, run.report()


def test_the_driver_has_a_command_for_every_verb():
    resources = {"fulfillment": "fulfillments"}
    verbs = {
        (resources.get(model._meta.app_label, model._meta.app_label), row.verb)
        for model in aggregates()
        for row in model.transitions()
        if row.verb and model._meta.app_label != "carts"  # which a life fills before its order
    }
    assert verbs <= COMMANDS.keys()
