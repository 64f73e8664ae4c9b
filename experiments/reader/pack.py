"""Put trained weights into the package: `python experiments/reader/pack.py reader.pt`; prints their SHA-256."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from train import new_network

from qrag_lib.models.span_weights import FILE, pack

FROZEN = 3  # layers that stayed as in E5


def main() -> None:
    """Keep what differs from E5, in 8 bits."""
    state = torch.load(Path(sys.argv[1]))
    start = new_network(FROZEN)[0].state_dict()
    trained = {name: tensor for name, tensor in state.items() if not torch.equal(tensor, start[name])}
    FILE.parent.mkdir(exist_ok=True)
    save_file(pack(trained), FILE)
    print(hashlib.sha256(FILE.read_bytes()).hexdigest(), FILE.stat().st_size, len(trained), "tensors")


if __name__ == "__main__":
    main()
