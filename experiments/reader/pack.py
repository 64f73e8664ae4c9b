"""Put trained weights into the package: `python experiments/reader/pack.py a.pt [b.pt ...]`; prints their SHA-256.

Of several runs the mean is kept (Wortsman et al., "Model soups", ICML 2022).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from train import new_network

from local_models.reading.span_weights import FILE, pack

FROZEN = 3  # layers that stayed as in E5


def mean(states: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Each tensor's mean; what all runs left as it was stays so to the bit."""
    return {
        name: first
        if all(torch.equal(first, each[name]) for each in states)
        else sum(s[name] for s in states) / len(states)
        for name, first in states[0].items()
    }


def main() -> None:
    """Keep what differs from E5, in 8 bits."""
    state = mean([torch.load(Path(name)) for name in sys.argv[1:]])
    start = new_network(FROZEN)[0].state_dict()
    trained = {name: tensor for name, tensor in state.items() if not torch.equal(tensor, start[name])}
    FILE.parent.mkdir(exist_ok=True)
    save_file(pack(trained), FILE)
    print(hashlib.sha256(FILE.read_bytes()).hexdigest(), FILE.stat().st_size, len(trained), "tensors")


if __name__ == "__main__":
    main()
