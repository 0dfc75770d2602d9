"""The learning rate is equation 3 of the paper."""

import pytest

from tiny_transformer.schedule import learning_rate


def test_the_base_model_peaks_at_7e_4() -> None:
    """d_model = 512, 4,000 warm-up steps: 1 / sqrt(512 * 4000)."""
    rates = [learning_rate(step, 512, 4000) for step in range(1, 20_001)]
    assert max(rates) == rates[3999] == pytest.approx(6.98771e-4)


@pytest.mark.parametrize("step", [1, 17, 100, 101, 5000])
def test_it_rises_in_a_line_and_falls_with_the_square_root(step: int) -> None:
    peak = learning_rate(100, 64, 100)
    expected = peak * step / 100 if step <= 100 else peak * (100 / step) ** 0.5
    assert learning_rate(step, 64, 100) == pytest.approx(expected)


def test_a_model_four_times_as_wide_gets_half_the_rate() -> None:
    assert learning_rate(7, 256, 10) == pytest.approx(learning_rate(7, 64, 10) / 2)


def test_the_factor_multiplies() -> None:
    assert learning_rate(7, 64, 10, factor=3) == pytest.approx(3 * learning_rate(7, 64, 10))


@pytest.mark.parametrize("wrong", [(0, 64, 10), (1, 0, 10), (1, 64, 0), (-1, 64, 10)])
def test_steps_widths_and_warm_up_below_one_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        learning_rate(*wrong)
