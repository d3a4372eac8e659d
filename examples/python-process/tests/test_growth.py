import math

from pbg_growth.processes import growth


def test_growth_of_two_halves_is_growth_of_the_whole():
    half = growth(100.0, 0.3, 0.5)
    assert math.isclose(half + growth(100.0 + half, 0.3, 0.5), growth(100.0, 0.3, 1.0))
