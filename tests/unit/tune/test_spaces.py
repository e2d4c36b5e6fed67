"""The values of a parameter: Azure ML's expressions with its worked examples."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from slurmtf.errors import SpecError
from slurmtf.tune import samplers, spaces
from slurmtf.tune.spaces import Expression, choice, parse_expression
from tests.unit.support import refusing


def drawn(one: Expression, count: int = 2000) -> list[Any]:
    source = random.Random(1)
    return [one.draw(source) for _ in range(count)]


@pytest.mark.parametrize(
    ("kind", "space", "code"),
    [("random", {}, "no-space"), ("grid", ["lr"], "no-space"), ("sobol", {"lr": spaces.uniform(0, 1)}, "unknown-sampling")],
)
def test_a_space_with_nothing_to_draw_from_is_refused(kind: str, space: Any, code: str) -> None:
    with refusing(SpecError, code):
        samplers.build_sampling(kind, space, None)


def test_quniform_is_a_rounded_multiple_and_may_be_below_the_minimum() -> None:
    values = drawn(spaces.quniform(1, 10, 3))
    assert set(values) == {0, 3, 6, 9}
    assert all(isinstance(value, int) for value in values)  # argparse's type=int rejects '3.0'


def test_bounds_of_loguniform_are_logarithms() -> None:
    values = drawn(spaces.loguniform(-6, -1))
    assert math.exp(-6) <= min(values) < 0.003 < 0.36 < max(values) <= math.exp(-1)
    below = sum(value < math.exp(-3.5) for value in values)
    assert 900 < below < 1100  # half of them are below the middle of the logarithms


@pytest.mark.parametrize(
    ("one", "holds"),
    [
        (spaces.randint(3), lambda value: value in (0, 1, 2)),
        (spaces.uniform(2, 3), lambda value: 2 <= value <= 3),
        (spaces.qloguniform(0, 3, 2), lambda value: value % 2 == 0 and 0 <= value <= 20),
        (spaces.qnormal(10, 3, 5), lambda value: value % 5 == 0),
        (spaces.lognormal(0, 1), lambda value: value > 0),
        (spaces.qlognormal(0, 1, 1), lambda value: isinstance(value, int) and value >= 0),
        (choice(16, "a", True), lambda value: value in (16, "a", True)),
        (choice(range(2, 5)), lambda value: value in (2, 3, 4)),
        (choice([[1, 2], [3]]), lambda value: value in ([1, 2], [3])),
    ],
)
def test_draws_are_within_their_bounds(one: Expression, holds: Any) -> None:
    assert all(holds(value) for value in drawn(one, 300))


def test_normal_has_its_mean_and_deviation() -> None:
    values = drawn(spaces.normal(10, 3))
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    assert abs(mean - 10) < 0.2
    assert abs(deviation - 3) < 0.2


def test_randint_and_choice_reach_all_their_values() -> None:
    assert set(drawn(spaces.randint(4))) == {0, 1, 2, 3}
    assert set(drawn(choice(1, 2, 3))) == {1, 2, 3}


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("choice", (), "empty-choice"),
        ("choice", (object(),), "bad-option"),
        ("choice", (math.nan,), "bad-option"),
        ("uniform", (3, 3), "bad-bounds"),
        ("uniform", (5, 1), "bad-bounds"),
        ("uniform", (1,), "bad-expression"),
        ("uniform", ("1", 2), "bad-expression"),
        ("uniform", (True, 2), "bad-expression"),
        ("quniform", (1, 10, 0), "bad-bounds"),
        ("normal", (1, -1), "bad-bounds"),
        ("randint", (0,), "bad-bounds"),
        ("randint", (2.5,), "bad-bounds"),
        ("loguniform", (1, 1000), "bad-bounds"),
        ("unifrom", (0, 1), "unknown-expression"),
    ],
)
def test_wrong_expressions_are_refused(name: str, args: tuple[Any, ...], code: str) -> None:
    assert [finding.code for finding in spaces.check_expression(name, args, "x")] == [code]


@pytest.mark.parametrize("data", [{"uniform": [0, 1]}, ["uniform", [0, 1]], spaces.uniform(0, 1)])
def test_each_spelling_of_an_expression_is_read(data: Any) -> None:
    assert parse_expression(data) == spaces.uniform(0, 1)


def test_azure_mls_form_survives_writing_and_reading() -> None:
    for one in (choice(16, 32), spaces.qnormal(1, 2, 3), spaces.randint(5)):
        assert parse_expression(one.to_list()) == one
    assert choice(16, 32).to_list() == ["choice", [[16, 32]]]


# --- samplers


def test_the_same_seed_draws_the_same_points_for_any_count() -> None:
    sampling = samplers.RandomParameterSampling({"lr": spaces.loguniform(-6, -1), "units": choice(16, 32, 64)}, seed=3)
    assert sampling.draw_points(20, 3) == sampling.draw_points(20, 3)
    assert sampling.draw_points(50, 3)[:20] == sampling.draw_points(20, 3)
    assert sampling.draw_points(20, 4) != sampling.draw_points(20, 3)


def test_a_grid_has_each_point_once_and_ends() -> None:
    sampling = samplers.GridParameterSampling({"a": choice(range(5)), "b": choice("v", "w", "x", "y", "z")})
    points = sampling.draw_points(1000, 0)
    assert sampling.count_points(1000) == len(points) == 25
    assert len({tuple(point.items()) for point in points}) == 25
    assert sampling.count_points(7) == len(sampling.draw_points(7, 0)) == 7


def test_all_errors_of_a_space_are_reported_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        samplers.GridParameterSampling({"a": spaces.uniform(0, 1), "b": {"uniform": [3, 1]}, "c": 5}, seed="x")  # type: ignore[arg-type]
    assert sorted(finding.code for finding in caught.value.findings) == [
        "bad-bounds",
        "bad-expression",
        "bad-seed",
        "not-in-grid",
    ]


def test_bayesian_sampling_accepts_three_expressions() -> None:
    with pytest.raises(SpecError) as caught:
        samplers.BayesianParameterSampling({"a": spaces.normal(0, 1), "b": choice([[1], [2]]), "c": spaces.quniform(1, 9, 2)})
    assert [finding.where for finding in caught.value.findings] == ["parameter_space['a']", "parameter_space['b']"]
