"""Q-RAG: ask questions of your own documents; every quote can be checked."""

__version__ = "0.1.0"
