"""The description of the API: OpenAPI 3.1 at `/openapi.json`, and a page to read at `/docs`."""
