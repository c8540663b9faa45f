"""What fulfillments hold about a person: ids only."""

from events.people import holds
from fulfillment.models import Fulfillment, FulfillmentItem, Pick

holds(Fulfillment, "order")
holds(FulfillmentItem, "fulfillment__order")
holds(Pick, "fulfillment__order")
