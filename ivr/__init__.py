"""The telephone: FastAGI, prompts and the call. An Asterisk channel is a `Line` here."""
