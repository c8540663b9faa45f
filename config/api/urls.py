from django.urls import path

from config.api.health import Live, Ready

urlpatterns = [
    path("live", Live.as_view(), name="live"),
    path("ready", Ready.as_view(), name="ready"),
]
