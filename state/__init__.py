"""The home of Redis: the embedded servers, the connection, scripts."""
