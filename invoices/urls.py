from django.urls import path
from rest_framework.routers import SimpleRouter

from invoices.views import Invoices, document

router = SimpleRouter(trailing_slash=False)
router.register("invoices", Invoices)
urlpatterns = [
    *router.urls,
    path("documents/<str:token>", document, name="document"),
]
