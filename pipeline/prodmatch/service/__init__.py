"""Answers over HTTP: an ASGI application over the published generation of a store."""
