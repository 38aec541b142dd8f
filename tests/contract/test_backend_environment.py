"""The Gymnasium environment over the same world."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from embodied_agent.errors import BadInput
from embodied_agent.robots.environment import NAME, TabletopEnv
from sim.scene import load_scene


def test_environment_passes_the_checker() -> None:
    env = gymnasium.make(NAME, robot="panda", scene="blocks", render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


def test_same_seed_and_actions_give_the_same_observations() -> None:
    ends = []
    for _ in range(2):
        env = TabletopEnv("xarm6")
        env.reset(seed=5)
        for _ in range(3):
            observation, *_ = env.step(np.full(7, 0.5, np.float32))
        ends.append(observation)
        env.close()
    assert all(np.array_equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_full_action_moves_each_joint_by_the_stated_step() -> None:
    env = TabletopEnv(scene="blocks", image_size=(32, 24))
    before, _ = env.reset(seed=0)
    for _ in range(3):
        after, *_ = env.step(np.array([-1, 0, 0, 0, 0, 0, 0, 1], np.float32))
    assert after["positions"][0] - before["positions"][0] == pytest.approx(-0.24, abs=0.03)
    assert np.abs(after["positions"][1:] - before["positions"][1:]).max() < 0.01
    env.close()


def test_reward_comes_from_the_predicate_and_ends_the_episode() -> None:
    env = TabletopEnv(
        scene=load_scene("blocks"), done=lambda t: t["robot"]["gripper_width"] < 0.04, image_size=(32, 24)
    )
    env.reset(seed=0)
    rewards, ended = [], False
    for _ in range(20):
        _, reward, ended, _, _ = env.step(np.array([0] * 7 + [-1], np.float32))
        rewards.append(reward)
        if ended:
            break
    assert ended and rewards[-1] == 1.0 and sum(rewards) == 1.0 and len(rewards) > 1
    env.close()


def test_step_before_reset_is_refused() -> None:
    with pytest.raises(BadInput, match="reset"):
        TabletopEnv(scene="blocks").step(np.zeros(8, np.float32))
