from rest_framework.routers import SimpleRouter

from returns.views import Returns

router = SimpleRouter(trailing_slash=False)
router.register("returns", Returns)
urlpatterns = router.urls
