from rest_framework.routers import SimpleRouter

from fulfillment.views import Fulfillments

router = SimpleRouter(trailing_slash=False)
router.register("fulfillments", Fulfillments)
urlpatterns = router.urls
