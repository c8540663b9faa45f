"""What the caller may do: one scope to read a context, one to change it."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from config.api.authentication import Caller


class MissingScope(PermissionDenied):
    """The answer names the scope, so that the token's owner knows what to ask for."""

    default_code = "missing_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token lacks the scope {scope}.")


def scope_for(view: Any, method: str | None) -> str:
    """Return the scope that a token must have for a view: `orders:read` or `orders:write`."""
    return f"{view.scope}:{'read' if method in SAFE_METHODS else 'write'}"


class HasScope(BasePermission):
    """The view's `scope` names its context."""

    def has_permission(self, request: Request, view: Any) -> bool:
        caller: object = request.user
        if not isinstance(caller, Caller):
            return False
        scope = scope_for(view, request.method)
        if not caller.may(scope):
            raise MissingScope(scope)
        return True
