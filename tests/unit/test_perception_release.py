"""A hand lets go as low as it can: above walls that it would hit, at the floor where nothing is near."""

import numpy as np

from embodied_agent.perception.hand import Hand
from embodied_agent.perception.release import Holding, options
from embodied_agent.perception.spots import RELEASE, Spot
from embodied_agent.types import Pose

CUBE = np.array([0.04, 0.04, 0.04])
DOWN = Pose(np.zeros(3), np.array([0.0, 1.0, 0.0, 0.0]))  # the tool at the thing's centre, looking down
HOLDING = Holding(Hand(), DOWN, 0.06)


def wall(x: float, height: float) -> np.ndarray:
    """A wall along y at some x, as points 1 cm apart."""
    y, z = np.meshgrid(np.arange(-0.15, 0.151, 0.01), np.arange(0.005, height, 0.01))
    return np.column_stack([np.full(y.size, x), y.ravel(), z.ravel()])


def test_where_nothing_is_near_a_thing_is_set_down() -> None:
    best = options([Spot(np.array([0.5, 0.0]), 0.0)], HOLDING, CUBE, np.zeros((0, 3)))[0]
    assert np.isclose(best.pose.position[2], RELEASE + 0.02)
    assert best.drop == RELEASE


def test_beside_a_wall_the_hand_turns_rather_than_hit_it() -> None:
    around = np.concatenate([wall(0.035, 0.05), wall(-0.035, 0.05)])  # fingers fit along y alone
    across = Pose(np.zeros(3), np.array([0.0, np.sqrt(0.5), np.sqrt(0.5), 0.0]))  # closing along x
    found = options([Spot(np.zeros(2), 0.0)], Holding(Hand(), across, 0.06), CUBE, around, highest=0.1)
    closing = found[0].pose.rotation @ across.rotation[:, 1]
    assert found[0].drop < 0.01
    assert abs(closing[1]) > 0.8


def test_over_a_narrow_opening_the_hand_stays_above_the_rim() -> None:
    around = np.concatenate([wall(0.035, 0.09), wall(-0.035, 0.09)])
    around = np.concatenate([around, around[:, [1, 0, 2]]])
    found = options([Spot(np.zeros(2), 0.006)], HOLDING, CUBE, around, highest=0.12)
    tips = found[0].pose.position[2] - Hand().tip_depth
    assert tips > 0.08
    assert not options([Spot(np.zeros(2), 0.006)], HOLDING, CUBE, around, highest=0.03)


def test_a_wall_never_ends_up_between_a_finger_and_the_thing() -> None:
    around = np.concatenate([wall(0.028, 0.09), wall(-0.028, 0.09)])  # inside of the open fingers
    across = Pose(np.zeros(3), np.array([0.0, np.sqrt(0.5), np.sqrt(0.5), 0.0]))  # closing along x
    found = options([Spot(np.zeros(2), 0.0)], Holding(Hand(), across, 0.076), CUBE, around, highest=0.12)
    low = [option for option in found if option.drop < 0.05]
    assert all(abs((option.pose.rotation @ across.rotation[:, 1])[0]) < 0.6 for option in low)
