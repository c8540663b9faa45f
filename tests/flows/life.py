"""All commands for an order and its payments, fulfillments, shipments and returns.

Each command gets three random numbers and derives its arguments from them and the current state,
so that commands can be repeated and run concurrently.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fulfillment import services as fulfillment
from fulfillment.models import Fulfillment
from orders import selectors as order_selectors
from orders.models import Order
from orders.services import goods, reservations
from orders.services import lifecycle as order_lifecycle
from payments.models import Payment
from payments.services import capture, gateway, refunds
from returns import selectors as return_selectors
from returns import services as returns
from returns.models import Return
from shipments.models import Shipment
from shipments.services import creation, label_purchase, labels, lifecycle
from tests.factories import LineFactory, OrderFactory
from tests.fulfillment.factories import PACKAGE

TOKENS = ("tok_ok", "tok_ok", "tok_declined", "tok_slow")
SCANS = ("in_transit", "exception", "delivered", "lost", "returned_to_sender")
Numbers = tuple[int, int, int]


class Life:
    """An order of two lines and seven units, with a discount, sent by two warehouses."""

    def __init__(self) -> None:
        lines = [LineFactory(quantity=3), LineFactory(quantity=4, unit_price=Decimal("9.99"))]
        order = OrderFactory(items=lines, discount={"amount": Decimal("38.32")})
        self.order_id = order.id
        self.items = [line.id for line in order.lines]

    def rows(self, model: Any) -> list[Any]:
        of_order = {"pk" if model is Order else "order": self.order_id}
        rows = return_selectors.with_refundable() if model is Return else model.objects
        return list(rows.filter(**of_order).order_by("id"))

    def one(self, model: Any, n: int) -> Any:
        """Return one of the order's rows, or None if there is none."""
        rows = self.rows(model)
        return rows[n % len(rows)] if rows else None

    def item(self, n: int) -> str:
        return self.items[n % len(self.items)]

    def of(self, model: Any, n: int, act: Callable[[str], Any]) -> None:
        if row := self.one(model, n):
            act(row.pk)

    # The order

    def reserve(self, a: int, b: int, c: int) -> None:
        line = order_selectors.get(self.order_id).lines[a % 2]
        some = b % line.quantity
        units = {"wh_1": some, "wh_2": line.quantity - some}
        reservations.reserve_stock(
            order_id=self.order_id,
            reservation_id=f"res_{c % 2}",
            allocations=[
                {"order_item_id": line.id, "warehouse_id": warehouse, "quantity": quantity}
                for warehouse, quantity in units.items()
                if quantity
            ],
        )

    def cancel(self, a: int, b: int, c: int) -> None:
        if b % 3 == 0:  # rarely, so that most lives go on
            order_lifecycle.cancel_order(order_id=self.order_id, reason="customer_request")

    def hold(self, a: int, b: int, c: int) -> None:
        order_lifecycle.hold_order(order_id=self.order_id, reason="fraud")

    def release(self, a: int, b: int, c: int) -> None:
        order_lifecycle.release_order(order_id=self.order_id)

    def write_off(self, a: int, b: int, c: int) -> None:
        units = {self.item(a): 1 + b % 2}
        goods.write_off_units(order_id=self.order_id, units=units, reason="out_of_stock")

    def release_units(self, a: int, b: int, c: int) -> None:
        goods.release_written_off_units(order_id=self.order_id)

    # Its payments

    def pay(self, a: int, b: int, c: int) -> None:
        token = TOKENS[a % len(TOKENS)]
        payment = capture.start_payment(order_id=self.order_id, method="sandbox", token=token)
        gateway.call_gateway(payment_id=payment.id)

    def call_gateway(self, a: int, b: int, c: int) -> None:
        self.of(Payment, a, lambda pk: gateway.call_gateway(payment_id=pk))

    def refund(self, a: int, b: int, c: int) -> None:
        amount = Decimal(1 + b) / 4
        self.of(
            Payment,
            a,
            lambda pk: refunds.request_refund(payment_id=pk, amount=amount, reason="operator"),
        )

    def manual_refund(self, a: int, b: int, c: int) -> None:
        end = (refunds.record_refund, refunds.withdraw_refund)[b % 2]
        if (payment := self.one(Payment, a)) and (pending := payment.pending_refunds(by_hand=True)):
            end(payment_id=payment.pk, refund_id=pending[0].pk)

    # Its fulfillments and shipments

    def start(self, a: int, b: int, c: int) -> None:
        self.of(
            Fulfillment,
            a,
            lambda pk: fulfillment.start_fulfillment(fulfillment_id=pk, assigned_to=f"p_{b % 2}"),
        )

    def _scan(self, a: int, b: int, c: int) -> dict[str, Any]:
        quantity = 1 + b % 3
        return {
            "order_item_id": self.item(c),
            "quantity": quantity,
            "scan_id": f"scan_{a}_{b}_{c}",
        }

    def pick(self, a: int, b: int, c: int) -> None:
        scan = self._scan(a, b, c)
        self.of(Fulfillment, a, lambda pk: fulfillment.pick_item(fulfillment_id=pk, **scan))

    def report_short(self, a: int, b: int, c: int) -> None:
        scan = self._scan(a, 0, c) | {"scan_id": f"short_{a}_{b}_{c}", "reason": "gone"}
        self.of(Fulfillment, a, lambda pk: fulfillment.report_short(fulfillment_id=pk, **scan))

    def move(self, a: int, b: int, c: int) -> None:
        units = {self.item(c): 1}
        self.of(
            Fulfillment,
            a,
            lambda pk: fulfillment.move_units(
                fulfillment_id=pk, warehouse_id=f"wh_{1 + b % 2}", units=units
            ),
        )

    def write_off_short(self, a: int, b: int, c: int) -> None:
        units = {self.item(c): 1}
        self.of(
            Fulfillment,
            a,
            lambda pk: fulfillment.write_off_short_units(fulfillment_id=pk, units=units),
        )

    def write_off_anywhere(self, a: int, b: int, c: int) -> None:
        (self.write_off if b % 2 else self.write_off_short)(a, b, c)

    def refund_anywhere(self, a: int, b: int, c: int) -> None:
        (self.refund if b % 2 else self.refund_return)(a, b, c)

    def pack(self, a: int, b: int, c: int) -> None:
        self.of(
            Fulfillment,
            a,
            lambda pk: fulfillment.pack_fulfillment(fulfillment_id=pk, packages=[PACKAGE]),
        )

    def pick_and_pack(self, a: int, b: int, c: int) -> None:
        """Pick and pack all units, so that lives reach later states."""
        row = self.one(Fulfillment, a)
        if row is None:
            return
        fulfillment.start_fulfillment(fulfillment_id=row.pk, assigned_to="p_0")
        for line in row.lines:
            if line.unpicked_quantity:
                fulfillment.pick_item(
                    fulfillment_id=row.pk,
                    order_item_id=line.order_item_id,
                    quantity=line.unpicked_quantity,
                    scan_id=f"rest_{line.pk}_{line.picked_quantity}",
                )
        fulfillment.pack_fulfillment(fulfillment_id=row.pk, packages=[PACKAGE])

    def unpack(self, a: int, b: int, c: int) -> None:
        self.of(Fulfillment, a, lambda pk: fulfillment.unpack_fulfillment(fulfillment_id=pk))

    def create_shipment(self, a: int, b: int, c: int) -> None:
        units = None if b % 2 else {self.item(c): 1}
        self.of(
            Fulfillment,
            a,
            lambda pk: creation.create_shipment(
                fulfillment_id=pk, carrier="sandbox", service="Ground", units=units
            ),
        )

    def label(self, a: int, b: int, c: int) -> None:
        def act(pk: str) -> None:
            labels.label_shipment(shipment_id=pk)
            label_purchase.call_carrier(shipment_id=pk)

        self.of(Shipment, a, act)

    def dispatch(self, a: int, b: int, c: int) -> None:
        self.of(Shipment, a, lambda pk: lifecycle.dispatch_shipment(shipment_id=pk))

    def scan(self, a: int, b: int, c: int) -> None:
        self.of(
            Shipment,
            a,
            lambda pk: lifecycle.record_scan(
                shipment_id=pk, status=SCANS[b % len(SCANS)], scan_id=f"scan_{b}_{c}"
            ),
        )

    def lose(self, a: int, b: int, c: int) -> None:
        self.of(Shipment, a, lambda pk: lifecycle.record_scan(shipment_id=pk, status="lost"))

    def deliver(self, a: int, b: int, c: int) -> None:
        self.of(Shipment, a, lambda pk: lifecycle.deliver_shipment(shipment_id=pk))

    def cancel_shipment(self, a: int, b: int, c: int) -> None:
        self.of(Shipment, a, lambda pk: creation.cancel_shipment(shipment_id=pk))

    # Its returns

    def request_return(self, a: int, b: int, c: int) -> None:
        item = {"order_item_id": self.item(a), "quantity": 1 + b % 2, "reason": None}
        returns.request_return(order_id=self.order_id, reason="wrong_size", items=[item])

    def approve(self, a: int, b: int, c: int) -> None:
        self.of(Return, a, lambda pk: returns.approve_return(return_id=pk))

    def reject(self, a: int, b: int, c: int) -> None:
        self.of(Return, a, lambda pk: returns.reject_return(return_id=pk))

    def receive(self, a: int, b: int, c: int) -> None:
        row = self.one(Return, a)
        if row:
            item = {
                "order_item_id": row.lines[0].order_item_id,
                "quantity": 1,
                "condition": ("good", "damaged")[c % 2],
                "accepted": bool(b % 4),
            }
            returns.receive_return(return_id=row.pk, warehouse_id="wh_1", items=[item])

    def cancel_return(self, a: int, b: int, c: int) -> None:
        self.of(Return, a, lambda pk: returns.cancel_return(return_id=pk))

    def refund_return(self, a: int, b: int, c: int) -> None:
        method = ("original_payment", "store_credit")[b % 2]
        self.of(Return, a, lambda pk: returns.refund_return(return_id=pk, refund_method=method))

    def close_return(self, a: int, b: int, c: int) -> None:
        self.of(
            Return, a, lambda pk: returns.close_return(return_id=pk, note="worn", waive_refund=True)
        )

    def go_on(self, a: int, b: int, c: int) -> None:
        """Run a command that is allowed now, so that lives reach later states."""
        may = [
            (VERBS[verb], n)
            for model in (Order, Payment, Fulfillment, Shipment, Return)
            for n, row in enumerate(self.rows(model))
            for verb in row.allowed_actions()
            if verb in VERBS
        ]
        may += [("create_shipment", n) for n, _ in enumerate(self.rows(Fulfillment))]
        may += [("request_return", n) for n in range(2)]
        command, n = may[(a * 36 + b * 6 + c) % len(may)]
        getattr(self, command)(n, b, c)


VERBS = {  # of all aggregates, and the methods that use them
    "cancel": "cancel",
    "reservation": "reserve",
    "hold": "hold",
    "release": "release",
    "write-off": "write_off_anywhere",
    "release-units": "release_units",
    "refund": "refund_anywhere",
    "record-refund": "manual_refund",
    "withdraw-refund": "manual_refund",
    "start": "start",
    "pick": "pick",
    "short": "report_short",
    "pack": "pack",
    "move": "move",
    "unpack": "unpack",
    "label": "label",
    "dispatch": "dispatch",
    "scan": "scan",
    "deliver": "deliver",
    "approve": "approve",
    "receive": "receive",
    "close": "close_return",
}
HELP = ("one", "rows", "item", "of")
COMMANDS = sorted(name for name in vars(Life) if not name.startswith("_") and name not in HELP)
