"""All URLs. Each context declares its routes; unknown URLs get a problem document."""

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularSwaggerSplitView

from config.api import documents, problems

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("carts.urls")),
    path("api/v1/", include("orders.urls")),
    path("api/v1/", include("payments.urls")),
    path("api/v1/", include("fulfillment.urls")),
    path("api/v1/", include("shipments.urls")),
    path("api/v1/", include("returns.urls")),
    path("api/v1/", include("invoices.urls")),
    path("api/v1/", include("events.urls")),
    re_path(r"^api/schema/?$", documents.schema, name="schema"),
    re_path(r"^api/problems/?$", documents.problems, name="problems"),
    re_path(r"^api/docs/?$", SpectacularSwaggerSplitView.as_view(), name="docs"),
    # With DEBUG, Django would respond to unknown URLs with an HTML page.
    re_path(r"^api/", problems.not_found),
]

handler400 = "config.api.problems.bad_request"
handler404 = "config.api.problems.not_found"
handler500 = "config.api.problems.internal_error"
