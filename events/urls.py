from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from events.contract.catalog import asyncapi, catalog
from events.customers import Customers
from events.views import Feed

router = SimpleRouter(trailing_slash=False)
router.register("events", Feed)
router.register("customers", Customers, basename="customer")
urlpatterns = [
    path("events/asyncapi.json", asyncapi, name="asyncapi"),
    re_path(r"^events/catalog/?$", catalog, name="catalog"),
    *router.urls,
]
