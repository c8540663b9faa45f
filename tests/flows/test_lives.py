"""The driver of random lives; `make faults ARGS="-k lives"` runs it: see `tests/flows/lives`."""

from events.aggregate import aggregates
from tests.flows.lives.commands import COMMANDS


def test_the_driver_has_a_command_for_every_verb():
    resources = {"fulfillment": "fulfillments"}
    verbs = {
        (resources.get(model._meta.app_label, model._meta.app_label), row.verb)
        for model in aggregates()
        for row in model.transitions()
        if row.verb and model._meta.app_label != "carts"  # which a life fills before its order
    }
    assert verbs <= COMMANDS.keys()
