"""The description of the routes, as OpenAPI and for the page that shows it."""

from collections.abc import Mapping

from prodmatch.catalogue.pictures.thumbnails import MEDIA_TYPE
from prodmatch.search.parameters import PARAMETERS, Kind

API_VERSION = "1"
Schema = Mapping[str, object]
SCHEMAS: Mapping[Kind, Schema] = {
    "text": {"type": "string"},
    "integer": {"type": "integer", "minimum": 0},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "names": {"type": "string", "example": "brand,colour"},
    "numbers": {"type": "string", "example": "name=0.5,other=-0.1"},
}
IN_JSON: Mapping[Kind, Schema] = {
    **SCHEMAS,
    "names": {"type": ["string", "array"], "items": {"type": "string"}},
    "numbers": {"type": ["string", "object"], "additionalProperties": {"type": "number"}},
}
HIT: Schema = {
    "type": "object",
    "description": "A product: the catalogue's columns, and these.",
    "properties": {
        "query_id": {"type": "string"},
        "rank": {"type": "integer"},
        "product_id": {"type": "string"},
        **{
            name: {"type": "number"}
            for name in ("score", "probability", "lexical", "text", "image", "boost")
        },
        "group_size": {"type": "integer"},
        "generation": {"type": "integer"},
    },
    "required": ["query_id", "rank", "product_id", "score", "probability", "generation"],
    "additionalProperties": True,
}
FACET: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"value": {}, "count": {"type": "integer"}},
        "required": ["value", "count"],
    },
}
ANSWER: Schema = {
    "type": "object",
    "properties": {
        "hits": {"type": "array", "items": {"$ref": "#/components/schemas/Hit"}},
        "facets": {"type": "object", "additionalProperties": FACET},
        "match_count": {"type": ["integer", "null"]},
        "searched_for": {"type": ["string", "null"]},
        "understood": {"type": ["string", "null"]},
        "hints": {"type": "array", "items": {"type": "string"}},
        "generation": {"type": "integer"},
        "took_ms": {"type": "number"},
    },
    "required": ["hits", "facets", "hints", "generation", "took_ms"],
}
ERROR: Schema = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
ERRORS = {
    400: "Something of the request cannot be used; `error` says what.",
    404: "There is no such product, picture or route.",
    408: "The request came too slowly.",
    413: "The picture, a text or the body is too large.",
    415: "The body is neither a form nor JSON.",
    422: "The picture cannot be decoded.",
    431: "Address and headers are too large.",
    503: "Nothing is published yet, or too many requests at once.",
}
PICTURE = {
    "type": "string",
    "format": "binary",
    "description": "JPEG, PNG, WebP, AVIF or GIF, at most 20 MiB; in JSON base64.",
}


def describe() -> dict[str, object]:
    """The routes in OpenAPI 3.1."""
    picture = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
    identifier = {"name": "product_id", "in": "path", "required": True, "schema": SCHEMAS["text"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "prodmatch", "version": API_VERSION},
        "paths": {
            "/search": _search(),
            "/picture/{product_id}": {
                "get": {
                    "summary": "A product's picture, small.",
                    "parameters": [identifier],
                    "responses": _responses(
                        {200: {"description": "A picture.", "content": picture}}, 404, 503
                    ),
                }
            },
            "/health": {
                "get": {
                    "summary": "Whether it answers, and from which generation.",
                    "responses": _responses(
                        {200: _content("It answers.", {"type": "object"})}, 503
                    ),
                }
            },
            "/metrics": {
                "get": {
                    "summary": "Counts and times for Prometheus.",
                    "responses": {"200": {"description": "Text."}},
                }
            },
        },
        "components": {"schemas": {"Answer": ANSWER, "Hit": HIT, "Error": ERROR}},
    }


def _search() -> dict[str, object]:
    """The route of searches, by address and by body."""
    answer = _content("A page of hits.", {"$ref": "#/components/schemas/Answer"})
    parameters = [
        {
            "name": each.name,
            "in": "query",
            "description": each.about,
            "schema": SCHEMAS[each.kind],
        }
        for each in PARAMETERS
    ]
    bodies = {"multipart/form-data": _body(SCHEMAS), "application/json": _body(IN_JSON)}
    return {
        "get": {
            "summary": "Find products by words, or products like one of the index.",
            "parameters": parameters,
            "responses": _responses({200: answer}, 400, 431, 503),
        },
        "post": {
            "summary": "The same by a picture, with words or without.",
            "requestBody": {
                "content": {kind: {"schema": schema} for kind, schema in bodies.items()}
            },
            "responses": _responses({200: answer}, 400, 408, 413, 415, 422, 431, 503),
        },
    }


def _body(schemas: Mapping[Kind, Schema]) -> Schema:
    properties = {
        each.name: {**schemas[each.kind], "description": each.about} for each in PARAMETERS
    }
    return {"type": "object", "properties": {**properties, "image": PICTURE}}


def _content(about: str, schema: Schema) -> dict[str, object]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _responses(good: Mapping[int, object], *errors: int) -> dict[str, object]:
    schema = {"$ref": "#/components/schemas/Error"}
    bad = {status: _content(ERRORS[status], schema) for status in errors}
    return {str(status): found for status, found in {**good, **bad}.items()}
