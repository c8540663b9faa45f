from rest_framework.routers import SimpleRouter

from orders.views import Orders

router = SimpleRouter(trailing_slash=False)
router.register("orders", Orders)
urlpatterns = router.urls
