"""Random commands for one order, repeated and concurrent: units and amounts stay consistent, and no
command hangs."""

import tempfile
from contextlib import ExitStack, suppress
from threading import Thread
from typing import get_args

import pytest
from django.db import connection
from django.test import override_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from config.core.exceptions import DomainError
from events import reactions
from events.models import Reaction
from tests.flows.life import COMMANDS, Life
from tests.flows.truth import expect_consistent
from tests.reacting import InjectedError, Why, as_rows

NUMBERS = st.integers(0, 5)
# Half of the commands are allowed at that moment.
NAMES = st.one_of(st.just("go_on"), st.sampled_from([*COMMANDS, "reactions"]))
COMMAND = st.tuples(NAMES, NUMBERS, NUMBERS, NUMBERS)
SENT = ["pick_and_pack", "create_shipment", "label", "dispatch"]
BEGINNINGS = {
    "placed": [],
    "confirmed": ["pay"],
    "in two warehouses": ["reserve", "pay"],
    "started": ["pay", "start"],
    "short": ["pay", "start", "report_short"],
    "packed": ["pay", "pick_and_pack"],
    "labeled": ["pay", *SENT[:3]],
    "sent": ["pay", *SENT],
    "lost": ["pay", *SENT, "lose"],
    "partly sent": ["reserve", "pay", *SENT],
    "delivered": ["pay", *SENT, "deliver"],
    "returned": ["pay", *SENT, "deliver", "request_return", "approve", "receive"],
}


class Whole(RuleBasedStateMachine):
    """The life of one order. Each step runs its commands concurrently, one thread for each."""

    def __init__(self):
        super().__init__()
        self.life = Life()
        self.stack = ExitStack()

    @initialize(
        beginning=st.sampled_from(sorted(BEGINNINGS)),
        is_settled=st.booleans(),
        rows=st.sampled_from([None, *get_args(Why)]),
    )
    def begin(self, beginning, is_settled, rows):
        """Reach a state; if reactions become rows, those to the last command may be pending."""
        if rows:
            self.stack.enter_context(as_rows(rows))
        for command in BEGINNINGS[beginning]:
            self.run_reactions()
            self.run((command, 0, 1, 0))
        if is_settled:
            self.run_reactions()

    @rule(commands=st.lists(COMMAND, min_size=1, max_size=3), twice=st.booleans())
    def run_concurrently(self, commands, twice):
        threads = [Thread(target=self.in_thread, args=[each]) for each in commands * (1 + twice)]
        self.errors = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), f"{commands} hang"
        assert not self.errors, (commands, self.errors)

    @rule()
    def run_reactions(self):
        while self.pending().exists():
            failed = self.pending().exclude(last_error__in=["", repr(InjectedError())]).first()
            assert not failed, f"{failed.reaction} failed: {failed.last_error}"
            self.pending().update(not_before=None)
            reactions.run_pending(self.life.order_id)
        expect_consistent(self.life.order_id)

    def teardown(self):
        with self.stack:
            self.run_reactions()

    def pending(self):
        return Reaction.objects.filter(stream=self.life.order_id)

    def in_thread(self, command):
        try:
            self.run(command)
        except Exception as error:
            self.errors.append(error)
        finally:
            connection.close()

    def run(self, command):
        """Run a command, or the pending reactions."""
        name, *numbers = command
        if name == "reactions":
            reactions.run_pending(self.life.order_id)
            return
        with suppress(DomainError):
            getattr(self.life, name)(*numbers)


@pytest.mark.django_db(transaction=True)
def test_no_sequence_of_commands_counts_a_unit_or_an_amount_twice():
    with tempfile.TemporaryDirectory() as media, override_settings(MEDIA_ROOT=media):
        run_state_machine_as_test(
            Whole,
            settings=settings(
                max_examples=12,
                stateful_step_count=12,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
