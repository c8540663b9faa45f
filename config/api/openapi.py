"""What drf-spectacular is told: `config.api.schema` derives the rest from the views."""

SETTINGS = {
    "TITLE": "Order Service",
    "VERSION": "1",
    "DESCRIPTION": (
        "Carts and orders, whose life is told in events. Every error is a problem document "
        "(RFC 9457) with a stable `code`; a field or parameter that is not known is refused."
    ),
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_SUFFIX": "",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.documents.complete",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Without these it would send the schema to a validator on the internet.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
}
