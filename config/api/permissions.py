"""Permissions: a scope of the context to read, and one for each kind of command."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.api.authentication import Caller


class MissingScope(PermissionDenied):
    """The token lacks a scope; `detail` names it."""

    default_code = "missing_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token lacks the scope {scope}.")


class HasScope(BasePermission):
    """Require the scope of the view's action."""

    def has_permission(self, request: Request, view: Any) -> bool:
        caller: object = request.user
        if not isinstance(caller, Caller):
            return False
        scope = view.required_scope(request.method)
        if not caller.may(scope):
            raise MissingScope(scope)
        return True
