"""Tests: each docstring is a sentence an operator could agree or disagree with."""
