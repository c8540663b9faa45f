from django.urls import path
from rest_framework.routers import SimpleRouter

from shipments.files import ROUTE
from shipments.views import Shipments, carrier_webhook, document

router = SimpleRouter(trailing_slash=False)
router.register("shipments", Shipments)
urlpatterns = [
    *router.urls,
    path("labels/<str:token>", document, name=ROUTE),
    path("webhooks/carriers/<str:carrier>", carrier_webhook, name="carrier-webhook"),
]
