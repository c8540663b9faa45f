"""What the API shows of an aggregate's transitions."""

from typing import Any

from drf_spectacular.drainage import set_override
from rest_framework import serializers

from events.aggregate import Aggregate


class AllowedActions(serializers.ListField):
    """The verbs of the aggregate's transition table that are possible now."""

    def __init__(self, aggregate: type[Aggregate], **kwargs: Any) -> None:
        verbs = dict.fromkeys(row.verb for row in aggregate.transitions() if row.verb)
        child = serializers.ChoiceField(list(verbs))
        set_override(child, "field", {"type": "string", "enum": list(verbs)})
        set_override(child, "field_component_name", f"{aggregate.__name__}AllowedActions")
        super().__init__(child=child, **kwargs)
