"""Settings, the dialogue tree and the phrases: data that operators change."""
