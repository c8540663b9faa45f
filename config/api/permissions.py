"""Permissions: a scope of the context to read, and one for each kind of command."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from config.api.authentication import Caller
from config.api.operations import operation_of


class MissingScope(PermissionDenied):
    """The token lacks a scope; `detail` names it."""

    default_code = "missing_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token lacks the scope {scope}.")


def scope_for(view: Any, method: str | None) -> str:
    """Return the required scope of the view's action: `orders:read` or `orders:cancel`."""
    verb = "read" if method in SAFE_METHODS else operation_of(view).scope
    return f"{view.scope}:{verb}"


class HasScope(BasePermission):
    """Require the scope of the view's action."""

    def has_permission(self, request: Request, view: Any) -> bool:
        caller: object = request.user
        if not isinstance(caller, Caller):
            return False
        scope = scope_for(view, request.method)
        if not caller.may(scope):
            raise MissingScope(scope)
        return True
