"""Buying labels: once, however often it is asked, and whatever happens to who asks."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from shipments import selectors, services, tasks
from shipments.carriers import Bought, NoAnswer, Quoted, Refused
from shipments.models import Label
from shipments.services import calling
from shipments.services.carriers import CARRIERS
from tests.facts import data, told
from tests.parallel import at_once
from tests.payments.test_kills import killed
from tests.shipments import factories
from tests.shipments.factories import ShipmentFactory, create, label, packed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


class Recorder:
    """The sandbox, which remembers what it was asked, and answers otherwise if told to."""

    def __init__(self):
        self.asked, self.instead = [], []
        self.sandbox = CARRIERS["sandbox"]

    def _answer(self, what, wanted, *more):
        self.asked.append((what, wanted.label_id, *more))
        if self.instead:
            answer = self.instead.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer() if callable(answer) else answer
        return getattr(self.sandbox, what)(wanted, *more)

    def label(self, wanted):
        return self._answer("label", wanted)

    def void(self, wanted, tracking_number):
        return self._answer("void", wanted, tracking_number)


@pytest.fixture
def carrier(monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(CARRIERS, "sandbox", recorder)
    return recorder


def now(shipment):
    return selectors.get(shipment.id)


def later(minutes=5):
    return timezone.now() + timedelta(minutes=minutes)


def failing():
    found = factories.Shipment.objects.filter(selectors.with_failing_labels())
    return list(found.values_list("pk", flat=True))


def test_the_sandbox_sells_a_label(media):
    shipment = label(ShipmentFactory())
    assert (shipment.status, shipment.label.status) == ("label_created", "bought")
    told = data(shipment.order, "shipment.label_created")
    assert told["tracking_number"] == shipment.tracking_number
    assert told["carrier_cost"] == "9.50", "a base of 6.50, and 1.20 for each of 2.5 kg"
    assert told["label_url"].startswith("http://localhost:8000/api/v1/labels/")
    (stored,) = media.rglob("*.pdf")
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == shipment.label.sha256
    assert shipment.estimated_delivery == (timezone.now() + timedelta(days=3)).date()


def test_the_reference_is_kept_before_anything_is_paid_for(carrier):
    shipment = ShipmentFactory()
    carrier.instead = [Quoted(reference="quote_1"), NoAnswer("Away.")]
    waiting = label(shipment)
    assert (waiting.status, waiting.label.status) == ("created", "wanted")
    assert (waiting.label.reference, waiting.label.last_error) == ("quote_1", "Away.")
    assert failing() == [shipment.id]
    assert services.call_due_carriers(now=timezone.now()) == 0, "not at once again"
    assert services.call_due_carriers(now=later()) == 1
    assert now(shipment).label.reference == "quote_1"
    assert len({asked[1] for asked in carrier.asked}) == 1, "the key of idempotency stays"
    assert failing() == []


def test_a_lost_answer_is_asked_for_until_it_comes():
    shipment = label(create(service="Timeout"))
    assert shipment.label.last_error == "The sandbox did not answer in time."
    tasks.call_carriers(now=later().isoformat())
    assert now(shipment).status == "label_created"


def test_what_nobody_has_called_for_the_timer_does():
    shipment = ShipmentFactory()
    services.label_shipment(shipment_id=shipment.id)
    assert services.call_due_carriers(now=timezone.now()) == 0, "whoever wants it asks first"
    assert services.call_due_carriers(now=later(1)) == 1
    assert now(shipment).status == "label_created"


def test_a_refusal_is_shown_and_another_may_be_asked_for(carrier):
    shipment = ShipmentFactory()
    carrier.instead = [Refused("The address is unknown.")]
    refused = label(shipment)
    assert (refused.status, refused.label.status) == ("created", "refused")
    assert data(refused.order, "shipment.label_refused")["error"] == "The address is unknown."
    assert "label" in refused.allowed_actions()
    assert failing() == [shipment.id]
    again = label(shipment)
    assert again.status == "label_created"
    assert [each.status for each in again.tries] == ["refused", "bought"]
    assert failing() == []


def test_the_sandbox_sells_nothing_where_it_is_off(settings):
    settings.CARRIER_SANDBOX = False
    shipment = label(create(carrier="sandbox"))
    assert "CARRIER_SANDBOX=true" in shipment.label.last_error


def test_asking_twice_buys_once(carrier):
    shipment = label(label(ShipmentFactory()))
    assert told(shipment.order).count("shipment.label_created") == 1
    assert told(shipment.order).count("shipment.label_requested") == 1
    assert len(shipment.tries) == 1


def test_a_label_bought_for_a_shipment_cancelled_meanwhile_goes_back(carrier):
    shipment = ShipmentFactory()

    def cancelled_meanwhile():
        services.cancel_shipment(shipment_id=shipment.id)
        return Bought(
            tracking_number="T1", carrier_cost=Decimal(1), currency="USD", url="https://x.test"
        )

    carrier.instead = [cancelled_meanwhile]
    assert label(shipment).status == "cancelled"
    assert carrier.asked[-1][::2] == ("void", "T1")
    assert now(shipment).label.status == "voided"
    assert "shipment.label_created" not in told(shipment.order)


def test_the_label_of_a_cancelled_shipment_goes_back(carrier):
    shipment = ShipmentFactory(status="label_created")
    services.cancel_shipment(shipment_id=shipment.id)
    carrier.instead = [NoAnswer("Away.")]
    services.call_due_carriers(now=later(1))
    assert (now(shipment).label.status, failing()) == ("void_wanted", [shipment.id])
    services.call_due_carriers(now=later())
    assert now(shipment).label.status == "voided"
    assert carrier.asked[-1][::2] == ("void", shipment.tracking_number)
    assert services.call_due_carriers(now=later(60)) == 0


def test_a_carrier_may_not_take_it_back(carrier):
    shipment = ShipmentFactory(status="label_created")
    services.cancel_shipment(shipment_id=shipment.id)
    carrier.instead = [Refused("It has been used.")]
    services.call_due_carriers(now=later(1))
    voided = now(shipment).label
    assert (voided.status, voided.last_error) == ("void_refused", "It has been used.")
    assert failing() == [shipment.id], "somebody is to look into it"
    services.ask_again(shipment_id=shipment.id)
    services.call_carrier(shipment_id=shipment.id)
    assert (now(shipment).label.status, failing()) == ("voided", [])


def test_a_label_that_the_carrier_was_never_asked_for_is_not_voided(carrier):
    shipment = ShipmentFactory()
    services.label_shipment(shipment_id=shipment.id)
    services.cancel_shipment(shipment_id=shipment.id)
    assert now(shipment).label.status == "voided"
    assert services.call_due_carriers(now=later()) == 0
    assert carrier.asked == []


def test_one_that_it_may_have_sold_is_voided_by_its_reference(carrier):
    shipment = ShipmentFactory()
    carrier.instead = [Quoted(reference="quote_1"), NoAnswer("Away.")]
    label(shipment)
    services.cancel_shipment(shipment_id=shipment.id)
    services.call_due_carriers(now=later())
    assert (carrier.asked[-1][::2], now(shipment).label.status) == (("void", None), "voided")


def test_a_storage_that_is_away_gets_the_same_label_later(media):
    media.write_text("no directory")
    shipment = label(ShipmentFactory())
    assert "could not be stored" in shipment.label.last_error
    media.unlink()
    services.call_due_carriers(now=later())
    assert now(shipment).status == "label_created"


def test_the_carriers_currency_is_the_costs(carrier):
    shipment = ShipmentFactory()
    carrier.instead = [
        Bought(
            tracking_number="T1",
            carrier_cost=Decimal("1300"),
            currency="JPY",
            url="https://x.test/l",
        )
    ]
    made = label(shipment)
    assert data(made.order, "shipment.label_created") == {
        "shipment_id": shipment.id,
        "tracking_number": "T1",
        "label_url": "https://x.test/l",
        "carrier_cost": 1300,
    }
    assert made.carrier_currency == "JPY"


def test_an_account_that_does_not_answer_is_not_asked_for_every_label(carrier):
    for _ in range(3):
        services.label_shipment(shipment_id=ShipmentFactory().id)
    carrier.instead = [NoAnswer("Away.") for _ in range(3)]
    assert services.call_due_carriers(now=later()) == 1
    assert len(carrier.asked) == 1


def test_one_that_fails_does_not_keep_the_others_waiting(carrier, caplog):
    first, second = ShipmentFactory(), ShipmentFactory()
    for shipment in (first, second):
        services.label_shipment(shipment_id=shipment.id)
    carrier.instead = [ValueError("a bug")]
    assert services.call_due_carriers(now=later()) == 2
    assert now(second).status == "label_created"
    assert failing() == [first.id], "and operators see it"
    assert "a bug" in now(first).label.last_error
    assert services.call_due_carriers(now=timezone.now()) == 0, "not at once again"


def test_an_operator_need_not_wait_for_the_timer(carrier):
    shipment = ShipmentFactory()
    carrier.instead = [NoAnswer("Away.")]
    label(shipment)
    services.ask_again(shipment_id=shipment.id)
    services.call_carrier(shipment_id=shipment.id)
    assert now(shipment).status == "label_created"


@pytest.mark.parametrize("late", ["sold", "quoted", "refused"])
def test_who_answers_after_somebody_else_changes_nothing(carrier, late):
    """A caller that everybody thought was killed comes back."""
    shipment = ShipmentFactory()
    services.label_shipment(shipment_id=shipment.id)
    call = calling._claim(shipment.id, timezone.now())
    services.call_due_carriers(now=later())
    bought = now(shipment)
    if late == "sold":
        again = carrier.sandbox.label(replace(call.wanted, reference=bought.label.reference))
        calling._record(shipment.id, call, again, "", "")
    elif late == "quoted":
        calling._record(shipment.id, call, Quoted(reference="another"), "", "")
    else:
        calling._record_refusal(shipment.id, call, "No.")
    (after,) = now(shipment).tries
    assert (after.status, after.reference) == ("bought", bought.label.reference)
    assert told(bought.order).count("shipment.label_created") == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["label", "_record"])
def test_a_purchase_is_carried_on_where_its_caller_died(monkeypatch, where):
    shipment = ShipmentFactory()
    services.label_shipment(shipment_id=shipment.id)
    place = (CARRIERS["sandbox"], "label") if where == "label" else (calling, where)
    killed(lambda: services.call_carrier(shipment_id=shipment.id), place, monkeypatch)
    assert now(shipment).label.status == "wanted"
    assert services.call_due_carriers(now=timezone.now()) == 0, "somebody may still be at it"
    assert services.call_due_carriers(now=later()) == 1
    assert told(shipment.order).count("shipment.label_created") == 1


@pytest.mark.django_db(transaction=True)
def test_two_operators_at_once_buy_one_label():
    shipment = ShipmentFactory()

    def ask(n):
        return label(shipment).id

    assert at_once(4, ask) == [shipment.id] * 4
    assert now(shipment).status == "label_created"
    assert Label.objects.count() == 1
    assert told(shipment.order).count("shipment.label_created") == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_ship_the_same_units_at_once_make_one_shipment():
    fulfillment = packed()
    answers = at_once(4, lambda n: create(fulfillment).id)
    assert sum(isinstance(answer, str) for answer in answers) == 1
    assert {getattr(answer, "code", None) for answer in answers} == {None, "nothing_to_ship"}
