import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from carts.events import CartConverted, CartCreated, CartItemAdded
from carts.models import Cart, CartItem
from events.aggregate import Aggregate, InvalidTransition, transition
from tests.architecture.sizes import lines
from tests.events.sample_events import NOON, added, cart, created
from tests.factories import CartFactory


class Door(Aggregate):
    """Never saved, so it needs no table."""

    id = models.CharField(primary_key=True, max_length=8, default="door_1")
    status = models.CharField(max_length=8, default="shut")
    bolted = False

    class Meta:
        app_label = "tests"

    def is_not_bolted(self):
        """the bolt is drawn"""
        return not self.bolted

    @transition(
        source="shut", target="open", emits=CartCreated, verb="open", guards=[is_not_bolted]
    )
    def swing(self):
        return created(self.id)

    @transition(source=("open", "shut"), target=None, emits=CartItemAdded, verb="knock")
    def knock(self, times):
        return added(times)

    @transition(source="open", target="shut", emits=CartConverted)
    def fall_shut(self):
        raise ValueError("it is stuck")


def test_a_transition_changes_the_status_and_records_an_event():
    door = Door()
    door.swing()
    door.knock(times=2)
    assert door.status == "open"
    assert [event for event, _ in door.pull_events()] == [created("door_1"), added(2)]
    assert door.pull_events() == []


def test_a_transition_from_another_status_is_refused():
    door = Door(status="open")
    with pytest.raises(
        InvalidTransition, match=r"`open` is not possible for door_1: it is open\."
    ) as refused:
        door.swing()
    assert refused.value.details == {"allowed_actions": ["knock"]}
    assert door.pull_events() == []


def test_a_guard_states_its_condition():
    door = Door()
    door.bolted = True
    with pytest.raises(InvalidTransition, match="it is shut, and needs that the bolt is drawn"):
        door.swing()
    assert door.status == "shut"
    assert door.allowed_actions() == ["knock"]


def test_a_failed_transition_changes_nothing():
    door = Door(status="open")
    with pytest.raises(ValueError, match="stuck"):
        door.fall_shut()
    assert door.status == "open"
    assert door.pull_events() == []


def test_the_table_has_every_transition():
    assert [(t.name, t.source, t.target, t.verb) for t in Door.transitions()] == [
        ("swing", ("shut",), "open", "open"),
        ("knock", ("open", "shut"), None, "knock"),
        ("fall_shut", ("open",), "shut", None),
    ]
    assert Door().allowed_actions() == ["open", "knock"]  # fall_shut has no verb


class RevolvingDoor(Door):
    """Inherits transitions, and replaces one."""

    class Meta:
        app_label = "tests"
        proxy = True

    @transition(source="shut", target="open", emits=CartCreated, verb="spin")
    def swing(self):
        return created(self.id)

    @transition(source="open", target="shut", emits=CartConverted, verb="stop")
    def stop(self):
        raise ValueError("it is stuck")


def test_inherited_transitions_are_in_the_table():
    assert [(row.name, row.verb) for row in RevolvingDoor.transitions()] == [
        ("swing", "spin"),
        ("knock", "knock"),
        ("fall_shut", None),
        ("stop", "stop"),
    ]


@pytest.mark.django_db
def test_parts_are_written_with_the_aggregate_and_only_in_the_columns_that_change():
    row = Cart.objects.get(pk=CartFactory(lines=lines(2)).pk)
    first, second = CartItem.objects.filter(cart=row)
    first.quantity, first.title = 7, "Not a column that changes"
    row.save_part(first, first)
    row.save_part(second)
    row.delete_part(second)
    new = CartItem(cart=row, position=3, **first.copied_values() | {"variant_id": "var_new"})
    row.save_part(new)
    with CaptureQueriesContext(connection) as queries:
        row.save()
    stored = {item.id: item for item in CartItem.objects.filter(cart=row)}
    assert set(stored) == {first.id, new.id}
    assert stored[first.id].quantity == 7
    assert stored[first.id].title != first.title
    writes = [q["sql"].split(" ")[0] for q in queries if "carts_cartitem" in q["sql"]]
    assert writes == ["DELETE", "INSERT"]
    with CaptureQueriesContext(connection) as queries:
        row.save()
    assert not [q for q in queries if "carts_cartitem" in q["sql"]]


def test_an_event_happened_at_the_moment_in_its_data_or_now():
    door = Door()
    door.record(
        CartConverted(cart_id="cart_1", order_id="order_1", converted_at=NOON, cart_value=1)
    )
    door.record(created())
    (_, given), (_, now) = door.pull_events()
    assert given == NOON
    assert now > NOON


@pytest.mark.django_db
@pytest.mark.parametrize(
    "write",
    [
        lambda: Cart.objects.update(status="expired"),
        lambda: Cart.objects.filter(status="active").delete(),
        lambda: Cart.objects.all().delete(),
        lambda: Cart.objects.bulk_create([cart()]),
        lambda: Cart.objects.bulk_update([cart()], ["status"]),
        lambda: cart().delete(),
    ],
)
def test_an_aggregate_cannot_be_written_without_its_transitions(write):
    with pytest.raises(TypeError, match="Cart"):
        write()
