from django.urls import path
from rest_framework.routers import SimpleRouter

from payments.views import Payments, stripe_webhook

router = SimpleRouter(trailing_slash=False)
router.register("payments", Payments)
urlpatterns = [*router.urls, path("webhooks/stripe", stripe_webhook, name="stripe-webhook")]
