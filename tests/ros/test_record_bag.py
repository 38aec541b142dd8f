"""`record` and `replay` as processes: what talks, what records, and what others make of the file."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
talker = pytest.importorskip("talker", reason="needs control_msgs and embodied_agent_interfaces, built")
from mcap.reader import make_reader  # noqa: E402
from mcap_ros2.decoder import DecoderFactory  # noqa: E402

from embodied_agent.ros.bag.goals import goals_of  # noqa: E402
from embodied_agent.ros.bag.pictures import picture_of  # noqa: E402
from embodied_agent.ros.bag.reading import Bag  # noqa: E402

COLOR, DEPTH = "/overhead/color/image_raw", "/overhead/aligned_depth_to_color/image_raw"
FEEDBACK = "/joint_trajectory_controller/follow_joint_trajectory/_action/feedback"
HERE = Path(__file__).parent


def environment(folder: Path, domain: int) -> dict[str, str]:
    return os.environ | {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(folder / "log"),
        "NO_COLOR": "1",
    }


def start(arguments: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def command(*arguments: object) -> list[str]:
    return ["-m", "embodied_agent.cli", *map(str, arguments)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """One talker and three recorders: raw until SIGINT, small until SIGTERM, and one that is killed."""
    folder = tmp_path_factory.mktemp("bags")
    env = environment(folder, 41)
    raw, small, killed = folder / "raw.mcap", folder / "small", folder / "killed.mcap"
    processes = {
        "raw": start(command("record", "--out", raw), env),
        "small": start(command("record", "--out", small, "--images", "jpeg"), env),
        "killed": start(command("record", "--out", killed, "--compression", "none"), env),
    }
    speaker = start([str(HERE / "talker.py"), "300", "10", "3"], env)
    try:
        deadline = time.monotonic() + 120
        while not all(map(told_to_the_end, (raw, small / "small_0.mcap", killed))):
            assert time.monotonic() < deadline, "the goal was not recorded"
            assert all(process.poll() is None for process in processes.values())
            time.sleep(0.5)
        processes["killed"].kill()
        processes["raw"].send_signal(signal.SIGINT)
        processes["small"].send_signal(signal.SIGTERM)
        said = {name: process.communicate(timeout=60)[0] for name, process in processes.items()}
    finally:
        for process in (speaker, *processes.values()):
            process.kill()
            process.wait()
    codes = {name: process.returncode for name, process in processes.items()}
    return SimpleNamespace(raw=raw, small=small, killed=killed, said=said, codes=codes, folder=folder, env=env)


def told_to_the_end(path: Path) -> bool:
    """Whether the talker's last words about its goal are in the file."""
    return "/agent/stop" in counts(path) and [goal.verdict for goal in goals_of(Bag(path))] == ["done"]


def counts(path: Path) -> Counter[str]:
    if not path.exists() or path.stat().st_size < 100:
        return Counter()
    return Counter(message.topic for message in Bag(path).messages())


def test_a_signal_ends_the_recorder_in_order(recorded):
    assert recorded.codes["raw"] == 0, recorded.said["raw"]
    assert recorded.codes["small"] == 0, recorded.said["small"]
    assert "Traceback" not in recorded.said["raw"] + recorded.said["small"]
    assert re.search(r"/joint_states +\d+ +[\d.]+", recorded.said["raw"])


def test_the_public_reader_finds_header_index_and_intact_chunks(recorded):
    with recorded.raw.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        summary = reader.get_summary()
        assert reader.get_header().profile == "ros2"
        topics = {channel.topic: channel for channel in summary.channels.values()}
        # That reader takes the type name of action feedback for a mistake; all else it decodes.
        plain = [name for name in topics if not name.endswith("_action/feedback")]
        read = Counter(channel.topic for _, channel, _, _ in reader.iter_decoded_messages(topics=plain))
    told = {topics[name].topic: summary.statistics.channel_message_counts[topics[name].id] for name in plain}
    assert read == Counter(told)
    assert {channel.message_encoding for channel in topics.values()} == {"cdr"}
    assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
    assert {COLOR, DEPTH, FEEDBACK, "/tf", "/tf_static", "/agent/tree", "/agent/stop"} <= set(topics)


def test_messages_are_those_that_were_sent_in_order_and_bit_for_bit(recorded):
    bag = Bag(recorded.raw)
    numbers = [int(m.data.header.frame_id) for m in bag.messages(topics=["/joint_states"])]
    assert numbers == sorted(set(numbers))
    # What did not come is counted, and nothing else is missing.
    (lost,) = re.findall(r"^/joint_states .* (\d+|–)\s*$", recorded.said["raw"], re.MULTILINE)
    if lost != "–":
        assert numbers[-1] - numbers[0] + 1 - len(numbers) == int(lost)
    images = list(bag.messages(topics=[COLOR]))
    assert images
    for image in images:
        shown = picture_of(image)
        number = int(np.argmax(shown[0, :, 0] == 230)) // 8
        assert np.array_equal(shown, talker.picture(number))


def test_what_lasts_is_recorded_though_it_was_said_before(recorded):
    fixed = list(Bag(recorded.raw).messages(topics=["/tf_static"]))
    assert fixed[0].data.transforms[0].child_frame_id == "panda_link0"


def test_feedback_and_status_of_actions_are_read_back(recorded):
    bag = Bag(recorded.raw)
    desired = [m.data.feedback.desired.positions[0] for m in bag.messages(topics=[FEEDBACK])]
    assert desired == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    states = [m.data.status_list[-1].status for m in bag.messages(types=["action_msgs/msg/GoalStatusArray"])
              if m.data.status_list]  # fmt: skip
    assert states[-1] == 4  # succeeded


def test_the_folder_is_described_as_rosbag2_describes_it(recorded):
    told = yaml.safe_load((recorded.small / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    found = counts(recorded.small)
    rows = {row["topic_metadata"]["name"]: row for row in told["topics_with_message_count"]}
    assert {name: row["message_count"] for name, row in rows.items()} == dict(found)
    assert told["message_count"] == sum(found.values())
    assert told["relative_file_paths"] == ["small_0.mcap"] == [file["path"] for file in told["files"]]
    assert (told["version"], told["storage_identifier"]) == (8, "mcap")
    for row in rows.values():
        (profile, *_) = yaml.safe_load(row["topic_metadata"]["offered_qos_profiles"])
        assert profile["reliability"] in (1, 2)
        assert profile["durability"] in (1, 2)
        assert set(profile["deadline"]) == {"sec", "nsec"}
    assert yaml.safe_load(rows["/tf_static"]["topic_metadata"]["offered_qos_profiles"])[0]["durability"] == 1
    with (recorded.small / "small_0.mcap").open("rb") as stream:
        (record,) = [m for m in make_reader(stream).iter_metadata() if m.name == "rosbag2"]
    assert yaml.safe_load(record.metadata["serialized_metadata"]) == told


def test_small_images_keep_depth_exactly_and_colour_nearly(recorded):
    bag = Bag(recorded.small)
    assert COLOR not in bag.topics()
    shown = [picture_of(message) for message in bag.messages(topics=[COLOR + "/compressed"])]
    for picture in shown:
        number = int(np.argmax(picture[0, :, 0].astype(int) - picture[0, :, 1] > 100)) // 8
        assert np.abs(picture.astype(int) - talker.picture(number)).mean() < 3.0
    for message in bag.messages(topics=[DEPTH + "/compressedDepth"]):
        assert message.data.format == "16UC1; compressedDepth png"
        depth = np.asarray(Image.open(io.BytesIO(message.data.data[12:])))
        assert np.array_equal(depth, talker.depth(int(depth[0, 0])))
    assert shown


def test_a_killed_recorder_leaves_what_came_before(recorded):
    assert recorded.codes["killed"] == -signal.SIGKILL
    bag = Bag(recorded.killed)
    found = Counter(message.topic for message in bag.messages())
    assert bag.broken_off
    # It was killed as soon as this had been written.
    assert found["/agent/stop"] == 1
    assert found["/joint_states"] > 10


@pytest.mark.parametrize("name", ["raw", "small", "killed"])
def test_every_bag_tells_the_same_goal(recorded, name):
    (goal,) = goals_of(Bag(getattr(recorded, name)))
    assert goal.instruction == "put the cube in the bowl"
    assert goal.verdict == "done"
    assert goal.programs == [talker.PROGRAM]
    told = [(e["kind"], e["path"], e["attempt"]) for e in goal.events if "kind" in e]
    assert told == [
        ("started", "1", 1),
        ("started", "1.1", 1),
        ("started", "1.1.1", 1),
        ("failed", "1.1.1", 1),
        ("started", "1.1.1", 2),
        ("succeeded", "1.1.1", 2),
        ("started", "1.1.2", 1),
        ("succeeded", "1.1.2", 1),
        ("succeeded", "1.1", 1),
        ("succeeded", "1", 1),
    ]
    (tried,) = [e for e in goal.events if e.get("path") == "1.1.1" and e.get("kind") == "succeeded"]
    assert tried["evidence"] == {"width": 0.041, "force_n": 12.5}


def test_replay_writes_the_report_of_the_run(recorded):
    out = recorded.folder / "report"
    done = subprocess.run(
        [sys.executable, *command("replay", recorded.raw, "--out", out)],
        env=recorded.env, text=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "done: put the cube in the bowl" in done.stdout
    page = (out / "report.html").read_text()
    for piece in ("nothing between the fingers", "pick(cube)", "data:video/mp4", "data:image/svg+xml", "try 2"):
        assert piece in page, piece
    drawn = ElementTree.fromstring((out / "curves.svg").read_text())
    assert len(drawn.findall("{http://www.w3.org/2000/svg}polyline")) == len(talker.JOINTS)
    account = json.loads((out / "run.json").read_text())
    assert (account["verdict"], account["robot"]) == ("done", "panda")
    assert (out / "program.py").read_text() == talker.PROGRAM
    assert len(list(out.glob("frames/*.jpg"))) >= 5


def test_a_bag_cut_anywhere_is_read_up_to_there(recorded, tmp_path):
    whole = recorded.killed.read_bytes()
    before = -1
    for share in (0.001, 0.1, 0.37, 0.5, 0.83, 0.99):
        part = tmp_path / "part.mcap"
        part.write_bytes(whole[: int(len(whole) * share)])
        found = sum(counts(part).values())
        assert found >= before
        before = found
    assert 0 < before <= sum(counts(recorded.killed).values())


def test_where_nothing_talks_nothing_is_left_behind(tmp_path):
    out = tmp_path / "empty.mcap"
    done = subprocess.run(
        [sys.executable, *command("record", "--out", out, "--seconds", 0.5)],
        env=environment(tmp_path, 43), text=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 5
    assert "ROS_DOMAIN_ID 43" in done.stderr
    assert not out.exists()


def test_a_bag_is_never_overwritten(tmp_path):
    out = tmp_path / "old.mcap"
    out.write_bytes(b"precious")
    done = subprocess.run(
        [sys.executable, *command("record", "--out", out)],
        env=environment(tmp_path, 43), text=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert out.read_bytes() == b"precious"
