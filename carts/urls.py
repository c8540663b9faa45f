from rest_framework.routers import SimpleRouter

from carts.views import Carts

router = SimpleRouter(trailing_slash=False)
router.register("carts", Carts)
urlpatterns = router.urls
