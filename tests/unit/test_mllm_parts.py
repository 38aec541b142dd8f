"""The parts of the built-in model, each on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from embodied_agent.errors import CommandRefused, WeightsError
from embodied_agent.mllm.decode import Grammar, Writer
from embodied_agent.mllm.decoder import Cache
from embodied_agent.mllm.fusion import pair_features
from embodied_agent.mllm.instances import find_instances, full_mask
from embodied_agent.mllm.language import SentenceEncoder, WordReader, encoder_directory, letter_groups
from embodied_agent.mllm.mask import MaskDecoder, point_of
from embodied_agent.mllm.network import EmbodiedNetwork, stack_scenes
from embodied_agent.mllm.objects import GEOMETRY, Seen
from embodied_agent.mllm.picture import picture_from_frame, scaled_camera
from embodied_agent.mllm.settings import TINY, VERSION, ModelSettings
from embodied_agent.mllm.tokenizer import SPECIAL, ProgramTokenizer, train_tokenizer
from embodied_agent.mllm.vision import Dense, Vision, fold_norms, stack_inputs
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLORS, STUFF, THINGS
from embodied_agent.mllm.weights import load_weights, save_weights
from embodied_agent.mllm.writing import ProgramWriter
from embodied_agent.types import Camera, Frame, Pose

PROGRAM = """with task("put in"):
    with unit("cube"):
        cube = find("red cube")
        bowl = find("bowl")
        pick(cube)
        place(cube, inside=bowl)
        ensure(is_inside(cube, bowl))
"""


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ProgramTokenizer:
    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    train_tokenizer([PROGRAM], path, TINY.vocabulary)
    return ProgramTokenizer(path)


@pytest.fixture(scope="module")
def network() -> EmbodiedNetwork:
    torch.manual_seed(0)
    return EmbodiedNetwork(TINY).eval().requires_grad_(False)


def random_seen(count: int, seed: int = 0) -> Seen:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return Seen(
        draw(count, len(CLASSES) + len(COLORS)), draw(count, GEOMETRY),
        draw(6, 8, TINY.channels[-1]),
    )  # fmt: skip


def downward_camera(width: int = 640, height: int = 480) -> Camera:
    """One metre above the table, looking straight down."""
    rotation = np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, [0.5, 0.0, 1.0]
    focal = 500.0 * width / 640
    middle = ((width - 1) / 2, (height - 1) / 2)
    return Camera("overhead", width, height, focal, focal, *middle, Pose.from_matrix(matrix))


def memory_of(network: EmbodiedNetwork, counts: tuple[int, ...]):
    clicks = [np.zeros((0, 5), np.float32)] * len(counts)
    scenes = stack_scenes([random_seen(n, n) for n in counts], clicks, TINY)
    words = torch.randn(len(counts), 5, 768, generator=torch.Generator().manual_seed(1))
    letters = torch.zeros(len(counts), 5, 20, dtype=torch.int64)
    return network.fuse(words, letters, torch.ones(len(counts), 5, dtype=torch.bool), scenes)


def test_heights_of_a_flat_table_are_zero() -> None:
    frame = Frame(np.zeros((480, 640, 3), np.uint8), np.ones((480, 640), np.float32), downward_camera(), 0.0)
    picture = picture_from_frame(frame)
    assert np.abs(picture.height).max() < 1e-5
    assert np.abs(picture.points[..., 2]).max() < 1e-5


def test_points_without_depth_lie_just_above_the_table() -> None:
    frame = Frame(np.zeros((480, 640, 3), np.uint8), np.zeros((480, 640), np.float32), downward_camera(), 0.0)
    picture = picture_from_frame(frame)
    assert not picture.measured.any()
    assert np.allclose(picture.points[..., 2], 0.02, atol=1e-4)


def test_world_points_survive_the_change_of_size() -> None:
    camera = downward_camera()
    small = scaled_camera(camera, 320, 240)
    target = np.array([[0.55, 0.1, 0.0]])
    assert np.allclose((camera.project(target) + 0.5) / 2 - 0.5, small.project(target))


def test_not_a_number_in_depth_counts_as_no_reading() -> None:
    depth = np.full((480, 640), np.nan, np.float32)
    frame = Frame(np.zeros((480, 640, 3), np.uint8), depth, downward_camera(), 0.0)
    assert np.isfinite(picture_from_frame(frame).height).all()


def test_vision_gives_stride_two_and_takes_crops() -> None:
    vision = Vision(TINY).eval()
    rgb = torch.zeros(1, 96, 128, 3)
    dense = vision(stack_inputs(rgb, torch.zeros(1, 96, 128), torch.zeros(1, 96, 128)))
    assert dense.classes.shape == (1, len(CLASSES), 48, 64)
    assert dense.centres.shape[1] == len(THINGS)


def test_norms_taken_into_convolutions_change_no_output() -> None:
    vision = Vision(TINY)
    inputs = torch.randn(2, 6, 96, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(3):  # statistics that are not those of a fresh norm
            vision(3.0 * inputs + 1.0)
        before = vision.eval()(inputs)
        fold_norms(vision)
        after = vision(inputs)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in vision.modules())
    for name, was, is_now in zip(before._fields, before, after, strict=True):
        assert torch.allclose(was, is_now, rtol=1e-3, atol=1e-3), name


def drawn_dense(things: list[tuple[str, str, tuple[int, int, int, int]]]) -> Dense:
    """Perfect dense outputs of rectangles (top, bottom, left, right)."""
    classes = torch.full((1, len(CLASSES), 120, 160), -8.0)
    classes[:, CLASS_INDEX["table"]] = 8.0
    colors = torch.zeros(1, len(COLORS), 120, 160)
    centres = torch.full((1, len(THINGS), 120, 160), -8.0)
    offsets = torch.zeros(1, 2, 120, 160)
    for kind, color, (top, bottom, left, right) in things:
        y, x = (top + bottom) // 2, (left + right) // 2
        box = (0, slice(top, bottom), slice(left, right))
        classes[0, :, top:bottom, left:right] = -8.0
        classes[0, CLASS_INDEX[kind], top:bottom, left:right] = 8.0
        colors[0, COLORS.index(color), top:bottom, left:right] = 8.0
        centres[0, CLASS_INDEX[kind] - STUFF, y, x] = 3.0
        offsets[box[0], 0, box[1], box[2]] = x - torch.arange(left, right).float()
        offsets[box[0], 1, box[1], box[2]] = (y - torch.arange(top, bottom).float())[:, None]
    features, coarse = torch.zeros(1, 16, 120, 160), torch.zeros(1, 32, 15, 20)
    return Dense(features, classes, colors, centres, offsets, torch.ones(1, 120, 160), coarse)


def test_two_touching_cubes_become_two_instances() -> None:
    dense = drawn_dense([("cube", "red", (50, 60, 40, 50)), ("cube", "red", (50, 60, 50, 60))])
    instances = find_instances(dense, 0, 10)
    assert len(instances) == 2
    assert sorted((instances.ids == i).sum() for i in range(2)) == [100, 100]


def test_a_lemon_in_a_bowl_keeps_a_centre_of_its_own() -> None:
    dense = drawn_dense([("bowl", "blue", (40, 70, 40, 70)), ("lemon", "yellow", (51, 59, 51, 59))])
    kinds = {CLASSES[i] for i in find_instances(dense, 0, 10).classes.argmax(1)}
    assert kinds == {"bowl", "lemon"}


def test_fragments_that_share_place_and_colour_are_one_thing() -> None:
    dense = drawn_dense([("cube", "red", (50, 60, 40, 52))])
    cube, can = CLASS_INDEX["cube"], CLASS_INDEX["can"]
    dense.classes[0, can, 50:60, 40:52] = 7.0  # nearly as likely everywhere, and likelier on the left
    dense.classes[0, can, 50:60, 40:45] = 9.0
    dense.centres[0, can - STUFF, 55, 45] = 3.0
    instances = find_instances(dense, 0, 10)
    assert len(instances) == 1 and (instances.ids == 0).sum() == 120
    assert int(instances.classes[0].argmax()) == cube


def test_a_stack_that_shares_a_centre_is_split_by_color() -> None:
    dense = drawn_dense([("cube", "red", (50, 70, 40, 50))])
    dense.colors[0, :, 60:70, 40:50] = 0
    dense.colors[0, COLORS.index("blue"), 60:70, 40:50] = 8.0
    instances = find_instances(dense, 0, 10)
    assert {COLORS[i] for i in instances.colors.argmax(1)} == {"red", "blue"}


def test_a_thing_without_a_centre_is_still_found() -> None:
    dense = drawn_dense([("mug", "green", (50, 60, 40, 50))])
    dense.centres[:] = -8.0
    assert len(find_instances(dense, 0, 10)) == 1


def test_an_empty_table_has_no_instances() -> None:
    assert len(find_instances(drawn_dense([]), 0, 10)) == 0


def test_full_mask_has_the_size_of_the_frame_and_the_right_area() -> None:
    instances = find_instances(drawn_dense([("box", "white", (50, 60, 40, 60))]), 0, 10)
    mask = full_mask(instances, 0, 640, 480)
    assert mask.shape == (480, 640)
    assert mask.sum() == pytest.approx(200 * 16, rel=0.15)


def test_a_mask_at_the_border_of_the_image_stays_inside() -> None:
    instances = find_instances(drawn_dense([("box", "white", (0, 10, 150, 160))]), 0, 10)
    mask = full_mask(instances, 0, 640, 480)
    assert mask[:36, 604:].all()
    assert not mask[60:].any()


def test_our_sentence_encoder_equals_the_reference() -> None:
    transformers = pytest.importorskip("transformers")
    reference = transformers.BertModel.from_pretrained(str(encoder_directory()), local_files_only=True)
    words = WordReader(ModelSettings()).read(["put the red cube in the bowl", "open the drawer"])
    ours = SentenceEncoder()(words.pieces)
    with torch.no_grad():
        theirs = reference.eval()(words.pieces, attention_mask=(words.pieces != 0).long()).last_hidden_state
    mask = words.pieces != 0
    assert torch.allclose(ours[mask][:, :384], theirs[mask], atol=1e-4)


def test_a_word_by_itself_is_the_same_in_every_sentence() -> None:
    words = WordReader(ModelSettings()).read(["the red cube", "a cube of red"])
    alone = SentenceEncoder()(words.pieces)[..., 384:]
    red = [alone[row][words.pieces[row] == words.pieces[0, 2]][0] for row in (0, 1)]
    assert torch.equal(red[0], red[1])


def test_swapped_letters_share_letter_groups() -> None:
    right, wrong, other = (set(letter_groups(w)) - {0} for w in ("banana", "bannaa", "drawer"))
    assert len(right & wrong) > 3
    assert len(right & wrong) > 2 * len(right & other)


def test_a_command_that_is_too_long_to_read_is_refused() -> None:
    with pytest.raises(CommandRefused, match="word pieces"):
        WordReader(ModelSettings()).read(["put it there " * 200])


def test_pair_features_know_left_from_right() -> None:
    places = torch.zeros(1, 2, 7)
    places[0, 1, 1] = 0.2
    features = pair_features(places)
    assert features[0, 0, 1, 4] > 0.99
    assert features[0, 1, 0, 4] < -0.99


def test_padding_changes_nothing(network: EmbodiedNetwork) -> None:
    alone = memory_of(network, (3,)).objects[0, :3]
    padded = stack_scenes([random_seen(3, 3), random_seen(7, 7)], [np.zeros((0, 5), np.float32)] * 2, TINY)
    words = torch.randn(1, 5, 768, generator=torch.Generator().manual_seed(1)).expand(2, -1, -1)
    letters = torch.zeros(2, 5, 20, dtype=torch.int64)
    together = network.fuse(words, letters, torch.ones(2, 5, dtype=torch.bool), padded).objects[0, :3]
    assert torch.allclose(alone, together, atol=1e-4)


def test_a_scene_without_objects_is_readable(network: EmbodiedNetwork, tokenizer: ProgramTokenizer) -> None:
    memory = memory_of(network, (0,))
    link = Writer(network, tokenizer, memory).ground(tokenizer.find)
    assert link.state in ("found", "several", "absent", "ambiguous")
    assert torch.isfinite(link.embedding).all()


def test_step_by_step_equals_all_at_once(network: EmbodiedNetwork) -> None:
    memory = memory_of(network, (4,))
    tokens = torch.tensor([[1, 20, 30, 40, 50, 60]])
    zeros = torch.zeros(1, 6, TINY.width)
    whole = network.decoder(tokens, zeros, memory.tokens, memory.mask)
    cache = Cache(TINY)
    parts = [
        network.decoder(tokens[:, a:b], zeros[:, a:b], memory.tokens, memory.mask, cache)
        for a, b in ((0, 1), (1, 4), (4, 6))
    ]
    assert torch.allclose(whole, torch.cat(parts, dim=1), atol=1e-4)


def test_tokens_give_back_the_program(tokenizer: ProgramTokenizer) -> None:
    for text in (PROGRAM, 'say("zwölf 12.5 <end>")\n', ""):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_marks_inside_text_stay_text(tokenizer: ProgramTokenizer) -> None:
    assert min(tokenizer.encode("<end> <program>")) >= len(SPECIAL)


def test_colour_and_kind_are_separate_tokens(tokenizer: ProgramTokenizer) -> None:
    words = [tokenizer.decode([token]) for token in tokenizer.encode('find("red cube")')]
    assert "red" in words and " cube" in words


def test_greedy_decoding_obeys_the_grammar(network: EmbodiedNetwork, tokenizer: ProgramTokenizer) -> None:
    import re

    lark = 'start: "with task(" STR "):\\n" LINE LINE\n'
    lark += 'STR: "\\"" /[a-z ]{1,10}/ "\\""\nLINE: /    [a-z]{1,6}\\(\\)\\n/\n'
    writer = Writer(network, tokenizer, memory_of(network, (2,)))
    with torch.inference_mode():
        _, hidden = writer.ground_all(tokenizer.start)
        matcher = Grammar(tokenizer, TINY.vocabulary).matcher(lark)
        text = ProgramWriter(writer, hidden, matcher).write().text
    assert re.fullmatch(r'with task\("[a-z ]{1,10}"\):\n(    [a-z]{1,6}\(\)\n){2}', text)


def test_a_broken_grammar_is_a_planner_error(tokenizer: ProgramTokenizer) -> None:
    from embodied_agent.errors import PlannerError

    with pytest.raises(PlannerError, match="does not compile"):
        Grammar(tokenizer, TINY.vocabulary).matcher("start: (((")


def test_an_untrained_mask_decoder_returns_its_prior() -> None:
    prior = torch.zeros(1, 20, 30)
    prior[0, 5:10, 5:10] = 1
    decoder = MaskDecoder(TINY)
    torch.nn.init.zeros_(decoder.write.weight)
    torch.nn.init.zeros_(decoder.write.bias)
    link, pointed = torch.randn(1, TINY.width), torch.randn(1, TINY.width)
    logits = decoder(torch.randn(1, 16, 20, 30), prior, link, pointed)
    assert torch.equal(logits > 0, prior.bool())


def test_the_point_of_a_ring_lies_on_the_ring() -> None:
    y, x = np.mgrid[:40, :40]
    ring = torch.from_numpy((np.hypot(x - 20, y - 20) < 15) & (np.hypot(x - 20, y - 20) > 8))
    column, row = point_of(ring)
    assert bool(ring[int(row), int(column)])


@pytest.fixture()
def saved(tmp_path: Path, network: EmbodiedNetwork) -> Path:
    train_tokenizer([PROGRAM], tmp_path / "tokenizer.json", TINY.vocabulary)
    save_weights(network, tmp_path, {"note": "test"})
    return tmp_path


def test_saved_weights_come_back(saved: Path, network: EmbodiedNetwork) -> None:
    loaded, _, index = load_weights(saved)
    assert index["training"] == {"note": "test"}
    for name, value in network.state_dict().items():
        assert torch.allclose(value, loaded.state_dict()[name], atol=0.02, rtol=0.01), name


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="embodied-agent train"):
        load_weights(tmp_path)


def test_truncated_weights_are_recognised(saved: Path) -> None:
    shard = saved / "model-1.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="truncated"):
        load_weights(saved)


def test_damaged_weights_of_the_right_size_are_recognised(saved: Path) -> None:
    shard = saved / "model-1.safetensors"
    shard.write_bytes(b"\xff" * shard.stat().st_size)
    with pytest.raises(WeightsError, match="unreadable"):
        load_weights(saved)


def test_weights_of_another_version_are_refused(saved: Path) -> None:
    index = saved / "model.json"
    index.write_text(index.read_text().replace(f'"version": {VERSION}', '"version": 99'))
    with pytest.raises(WeightsError, match="version 99"):
        load_weights(saved)


def test_an_index_that_is_not_json_is_one_line(saved: Path) -> None:
    (saved / "model.json").write_text("{")
    with pytest.raises(WeightsError) as caught:
        load_weights(saved)
    assert "\n" not in str(caught.value)


def test_settings_with_an_unknown_key_are_refused() -> None:
    with pytest.raises(WeightsError, match="colour"):
        ModelSettings.from_dict(ModelSettings().to_dict() | {"colour": 1})
