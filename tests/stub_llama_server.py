"""Stands for llama.cpp's llama-server: its arguments, its key file, /health and the OpenAI interface."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stub_openai import StubOpenAI


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", dest="model", type=Path, required=True)
    parser.add_argument("-c", dest="context", type=int, required=True)
    parser.add_argument("--host", choices=["127.0.0.1"], required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api-key-file", type=Path, required=True)
    options = parser.parse_args()
    if options.model.stem == "broken":
        sys.exit(f"error: failed to load {options.model.name}")
    server = StubOpenAI(options.port)
    server.key = options.api_key_file.read_text().strip()
    server.models = [{"id": str(options.model), "meta": {"n_ctx": options.context}}]
    server.serve_forever(poll_interval=0.02)


if __name__ == "__main__":
    main()
