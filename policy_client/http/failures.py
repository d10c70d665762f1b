"""How a model behind a URL fails, by what can be done about it. All travel as `model_unavailable`."""

from __future__ import annotations

from domain.errors import ModelUnavailable


class ModelSilent(ModelUnavailable):
    """It cannot be reached, is overloaded, or is left alone after failing: asking again later may help."""


class ModelLate(ModelUnavailable):
    """It did not answer within the deadline."""


class ModelRefused(ModelUnavailable):
    """It does not take the request: the key, the model's name, the address or the form are wrong. It is alive."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ModelNonsense(ModelUnavailable):
    """It answered something that is not an answer to what was asked."""
