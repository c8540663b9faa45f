"""For whoever starts, stops and routes to this process."""

from django.db import Error, connection
from django.http import HttpResponseBase, JsonResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api.problems import problem


class Health(APIView):
    """Anybody may ask; a probe has no token."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class Live(Health):
    """The process answers."""

    def get(self, request: Request) -> HttpResponseBase:
        return JsonResponse({"status": "ok"})


class Ready(Health):
    """The database answers. Not the broker: without it events wait, and requests are served."""

    def get(self, request: Request) -> HttpResponseBase:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            return problem(503, "database_unavailable", "The database does not answer.")
        return JsonResponse({"status": "ok"})
