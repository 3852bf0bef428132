"""What every learner does with a gradient: clip it, take Adam's step, average the weights, and save it all.

The state is named tensors, so that a resumed run takes the very next step that an uninterrupted one takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from strategos.learn.maths import WeightAverage

_ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


class Optimiser:
    """Adam, of the kind that `make(parameters)` builds, over the weights of `network` that learn.

    `average` is the moving average of the weights, folded in on every step; `steps` counts them.
    """

    def __init__(
        self,
        network: nn.Module,
        make: Callable[[list[Tensor]], torch.optim.Optimizer],
        *,
        gradient_clip: float,
        average_decay: float,
    ) -> None:
        self.parameters: list[Tensor] = [each for each in network.parameters() if each.requires_grad]
        self.adam = make(self.parameters)
        self.gradient_clip = gradient_clip
        self.average = WeightAverage(self.parameters, average_decay)
        self.steps = 0

    def step(self, gradients: Sequence[Tensor], rate: float) -> Tensor:
        """Step against `gradients` (in the order of `parameters`) at `rate`; their norm before clipping."""
        for group in self.adam.param_groups:
            group["lr"] = rate
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        norm = nn.utils.clip_grad_norm_(self.parameters, self.gradient_clip, foreach=True)
        self.adam.step()
        self.average.update(self.parameters)
        self.steps += 1
        return norm

    def state_tensors(self) -> dict[str, Tensor]:
        """Everything but the weights themselves that the next step depends on, as named tensors."""
        tensors = {f"average.{index}": each for index, each in enumerate(self.average.average)}
        for index, parameter in enumerate(self.parameters):
            for name, value in self.adam.state.get(parameter, {}).items():
                tensors[f"adam.{index}.{name}"] = value
        tensors["steps"] = torch.tensor([self.steps, self.average.steps])
        return tensors

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `state_tensors` gave; `ValueError` if it belongs to another network."""
        try:
            self.steps, self.average.steps = (int(each) for each in tensors["steps"])
            pairs = zip(self.parameters, self.average.average, strict=True)
            for index, (parameter, average) in enumerate(pairs):
                average.copy_(tensors[f"average.{index}"])
                state = {}
                for name in _ADAM_STATE:
                    if f"adam.{index}.{name}" not in tensors:
                        continue  # no step was made yet
                    value = tensors[f"adam.{index}.{name}"]
                    if name == "step":
                        state[name] = value.clone()
                        continue
                    if value.shape != parameter.shape:
                        raise ValueError(f"the optimiser's state of parameter {index} has another shape")
                    # On the parameter's device and in its memory layout; a copy, not the caller's tensor.
                    state[name] = torch.zeros_like(parameter).copy_(value)
                if state:
                    self.adam.state[parameter] = state
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"the optimiser's state does not fit this network: {error}") from None
