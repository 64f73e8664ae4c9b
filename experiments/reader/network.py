"""The network of the reader: an encoder over question and passage, a head for spans, a head for "is it answered".

A cross-encoder as in Devlin et al. (NAACL 2019), section 4.3; whether the passage answers has a head of
its own, as in Zhang et al. (AAAI 2021), instead of the score of an empty span.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class SpanNetwork(nn.Module):
    """Two numbers a token (log odds of beginning and of ending an answer) and one a passage (log odds of answering)."""

    def __init__(self, encoder: Any, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.span = nn.Linear(hidden, 2)
        self.answers = nn.Linear(hidden, 1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Spans (n, t, 2) and answers (n,) from ids, mask and types (n, t); type 1 marks the passage."""
        states = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state  # (n, t, d)
        return self.span(states).float(), self.answers(states[:, 0]).float()[:, 0]
