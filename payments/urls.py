from django.urls import path
from rest_framework.routers import SimpleRouter

from payments.views import OrderRefunds, Payments, stripe_webhook

router = SimpleRouter(trailing_slash=False)
router.register("payments", Payments)
router.register("orders", OrderRefunds, basename="order")
urlpatterns = [*router.urls, path("webhooks/stripe", stripe_webhook, name="stripe-webhook")]
