import pytest

from events.models import EventRecord, Publication
from tests.factories import CartFactory, OrderFactory

pytestmark = pytest.mark.django_db


def publish(*streams):
    for row in streams:
        for event in EventRecord.objects.filter(stream=row.id, sequence__isnull=False).order_by(
            "number"
        ):
            Publication.objects.create(event=event, organization_id=event.organization_id)


def test_the_feed_lists_published_events_by_position(api):
    order, cart = OrderFactory(), CartFactory()
    publish(cart, order, OrderFactory(organization_id="org_2"))
    OrderFactory()  # not confirmed by the broker yet
    feed = api.get("/api/v1/events")
    names = [entry["envelope"]["event"] for entry in feed.json()["results"]]
    assert names == ["cart.created", "cart.item_added", "order.created", "order.placed"]
    positions = [entry["position"] for entry in feed.json()["results"]]
    assert positions == sorted(positions)
    assert feed.json()["results"][3] | {"envelope": None} == {
        "position": positions[3],
        "id": EventRecord.objects.get(stream=order.id, sequence=2).id,
        "stream": order.id,
        "sequence": 2,
        "envelope": None,
    }
    assert EventRecord.objects.get(stream=order.id, sequence=1).body.encode() in feed.content


def test_a_consumer_continues_after_its_last_position(api):
    order = OrderFactory(status="confirmed")
    publish(order)
    first = api.get("/api/v1/events?page_size=3").json()
    rest = api.get(first["next"]).json()
    assert [e["sequence"] for e in first["results"] + rest["results"]] == [1, 2, 3, 4, 5]
    assert rest["next"] is None
    last = rest["results"][-1]["position"]
    assert api.get(f"/api/v1/events?after={last}").json() == {"next": None, "results": []}


def test_the_feed_can_be_filtered_by_name_and_stream(api):
    order, cart = OrderFactory(), CartFactory()
    publish(order, cart)

    def names(**query):
        page = api.get("/api/v1/events", query).json()["results"]
        return [entry["envelope"]["event"] for entry in page]

    assert names(name="order.placed") == ["order.placed"]
    assert names(stream=cart.id) == ["cart.created", "cart.item_added"]
    assert names(stream=cart.id, name="order.placed") == []


@pytest.mark.parametrize(
    "query",
    [
        *("after=-1", "after=x", "after=", "after=1&after=2", "page_size=101", "since=1"),
        *("name=order.canceled", "name=order.held"),  # a slip, and one that is never published
    ],
)
def test_an_invalid_query_is_refused(api, query):
    response = api.get(f"/api/v1/events?{query}")
    assert (response.status_code, list(response.json()["errors"])) == (
        400,
        [query.partition("=")[0]],
    )
