"""A carrier that remembers what it was asked, and what came of that."""

from datetime import timedelta

from django.utils import timezone

from shipments import selectors
from shipments.carriers.registry import CARRIERS
from shipments.models import Shipment


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

    def buy_label(self, request):
        return self._answer("buy_label", request)

    def void_label(self, request, tracking_number):
        return self._answer("void_label", request, tracking_number)


def now(shipment):
    return selectors.get(shipment.id)


def later(minutes=5):
    return timezone.now() + timedelta(minutes=minutes)


def failing():
    found = Shipment.objects.filter(selectors.has_label_problem())
    return list(found.values_list("pk", flat=True))
