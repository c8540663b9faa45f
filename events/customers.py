"""The REST API of customers: an export and an erasure of what is held about one."""

from typing import Annotated, Any

import msgspec
from django.http import Http404
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.operations import endpoint, operation_of
from config.api.serializers import ActionRequest
from config.api.views import ContextViewSet
from events.models import Stream
from events.operations import people
from events.people import Person
from events.schema import Timestamp


class CustomerExport(msgspec.Struct):
    """All rows about a customer, by the name of their table. Amounts have four decimals."""

    organization_id: str
    customer_id: str
    exported_at: Timestamp
    tables: dict[str, list[dict[str, Any]]]


class CustomerErasure(msgspec.Struct):
    """What is without personal data now. Issued invoices are kept as long as the law requires."""

    customer_id: str
    erased_at: Timestamp
    orders: Annotated[int, msgspec.Meta(description="How many orders there are.")]
    carts: Annotated[int, msgspec.Meta(description="How many carts there are.")]


class Customers(ContextViewSet):
    """Export and erase what is held about a customer."""

    scope = "customers"
    queryset = Stream.objects.none()
    lookup_url_kwarg = "customer_id"
    lookup_value_regex = r"[^/]{1,64}"
    calls_outside = frozenset({"erase"})  # it deletes files; each order and cart is a transaction

    def required_scope(self, method: str | None) -> str:
        return f"{self.scope}:{operation_of(self).scope}"

    @action(detail=True)
    @endpoint(response=CustomerExport, operation_id="export_customer", scope="export")
    def export(self, request: Request, customer_id: str) -> Response:
        """Return everything that the service holds about a customer.

        It includes the customer's orders and carts with their payments, fulfillments, shipments,
        returns, invoices, mails and events.
        """
        try:
            return Response(people.export(self._person(customer_id)))
        except people.UnknownCustomer as error:
            raise Http404 from error

    @action(detail=True, methods=["post"])
    @endpoint(
        request=ActionRequest,
        response=CustomerErasure,
        operation_id="erase_customer",
        errors=[people.ErasureBlocked],
        scope="erase",
    )
    def erase(self, request: Request, customer_id: str) -> Response:
        """Erase the personal data of a customer in all orders and carts.

        Amounts, quantities, ids and issued invoices stay. The body of an event that is read or
        replayed later has null, or an empty text, instead of the data. Consumers are told by the
        extension event `customer.erased`. A repeated request erases only what is new.
        """
        try:
            erasure = people.erase(self._person(customer_id), **self.body())
        except people.UnknownCustomer as error:
            raise Http404 from error
        erased = msgspec.to_builtins(CustomerErasure(customer_id, *erasure))
        return self.once(lambda: Response(erased))

    def _person(self, customer_id: str) -> Person:
        return Person(organization_id=self.caller.organization_id, customer_id=customer_id)
