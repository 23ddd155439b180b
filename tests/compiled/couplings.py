"""What torch.compile is given of the flow priors; called by `forked`."""

from __future__ import annotations

from typing import Any

import torch

from unveil.registry import lookup


def operations(name: str) -> set[str]:
    """The names of what is traced of the log density of a flow prior."""
    found = set[str]()

    def backend(graph: torch.fx.GraphModule, inputs: list[Any]) -> Any:
        found.update(getattr(node.target, "__name__", str(node.target)) for node in graph.graph.nodes)
        return graph.forward

    prior, z = lookup("prior", name)(3, width=4, num_transforms=2), torch.randn(6, 3)
    traced = torch.compile(lambda z: prior().log_prob(z), backend=backend)(z)
    assert torch.allclose(traced, prior().log_prob(z))
    return found
