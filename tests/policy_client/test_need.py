"""Whether a request needs a tool: the regression, and the features it looks at."""

from __future__ import annotations

import numpy as np
import pytest

from domain.errors import InvalidInput
from policy_client.need import NeedModel, features


def test_the_fitted_probabilities_are_where_the_gradient_vanishes() -> None:
    dice = np.random.default_rng(1)
    rows = dice.normal(size=(40, 90))  # fewer rows than features, as always here
    labels = rows[:, 0] + 0.3 * dice.normal(size=40) > 0
    model = NeedModel.fit(rows, labels, ridge=0.5)
    gradient = (rows - model.mean).T @ (labels - model(rows)) - 0.5 * model.weights
    assert np.abs(gradient).max() < 1e-4
    assert abs((labels - model(rows)).sum()) < 1e-4


def test_a_request_like_those_that_needed_a_tool_needs_one() -> None:
    dice = np.random.default_rng(2)
    kinds = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    labels = np.arange(60) % 2 == 0
    vectors = kinds[(~labels).astype(int)] + 0.2 * dice.normal(size=(60, 4))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    texts = ["please look this up" if needed else "why is that so" for needed in labels]
    rows = features(texts, vectors, vectors[:4], vectors[labels][:6])
    assert ((NeedModel.fit(rows[:40], labels[:40])(rows[40:]) > 0.5) == labels[40:]).all()


def test_requests_of_one_kind_teach_nothing() -> None:
    with pytest.raises(InvalidInput, match="both kinds"):
        NeedModel.fit(np.ones((3, 2)), np.array([True, True, True]))


def test_features_have_one_row_per_text_with_or_without_earlier_requests() -> None:
    vectors = np.eye(3, 5, dtype=np.float32)
    alone, beside = (features(["a", "b?", "\ud800"], vectors, vectors, others) for others in (None, vectors))
    assert alone.shape == beside.shape == (3, 5 + 512 + 8)
    assert np.isfinite(beside).all()
    assert alone[0, -4:].tolist() == [0, 0, 0, 0]
    assert beside[0, -4] == 1.0
