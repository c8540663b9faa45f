from rest_framework.routers import SimpleRouter

from events.views import Feed

router = SimpleRouter(trailing_slash=False)
router.register("events", Feed)
urlpatterns = router.urls
