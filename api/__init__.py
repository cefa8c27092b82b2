"""The edge for providers' systems: JSON over HTTP, keys and scopes."""
