"""The training machinery learns: small networks, a handful of examples, seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from embodied_agent.commands.draw import generate
from embodied_agent.commands.splits import pairs
from embodied_agent.mllm.decode import Grammar, Writer
from embodied_agent.mllm.language import SentenceEncoder, WordReader
from embodied_agent.mllm.network import EmbodiedNetwork, stack_scenes
from embodied_agent.mllm.phrases import phrases_of
from embodied_agent.mllm.picture import camera_to_array
from embodied_agent.mllm.recognize import Recognizer, cut_out, stack_cutouts, window_of
from embodied_agent.mllm.settings import TINY
from embodied_agent.mllm.tokenizer import ProgramTokenizer, train_tokenizer
from embodied_agent.mllm.vision import Vision
from embodied_agent.mllm.vocabulary import CLASS_INDEX, COLORS, KINDS, STUFF
from embodied_agent.mllm.writing import ProgramWriter
from embodied_agent.training.batches import batches_of_like_length, cut_short
from embodied_agent.training.cutouts import (
    NOTHING,
    chances_of,
    cutout_batch,
    cutout_loss,
    detected_samples,
    true_samples,
)
from embodied_agent.training.dataset import example_record
from embodied_agent.training.dense import dense_batch, dense_loss
from embodied_agent.training.imagine import imagine_situation
from embodied_agent.training.loop import Stage, run_stage
from embodied_agent.training.queries import draw_queries
from embodied_agent.training.sequences import (
    IGNORED,
    Example,
    encode_example,
    pointer_accuracy,
    run_sequences,
    sequence_batch,
    sequence_loss,
)
from embodied_agent.training.shards import Shot, Shots, write_shard
from embodied_agent.training.situations import (
    load_tokens,
    match_instances,
    plan_example,
    query_examples,
    save_tokens,
    thing_to_dict,
)
from embodied_agent.types import Camera, Pose
from sim.descriptions import Thing, resolve
from sim.things import things_of

_RGB = {"red": (200, 20, 20), "blue": (20, 50, 190), "green": (20, 140, 40)}


def drawn_shot(seed: int) -> Shot:
    """A table with a red cube and a blue bowl as coloured rectangles, seen from straight above."""
    rng = np.random.default_rng(seed)
    rgb = np.full((240, 320, 3), 150, np.uint8)
    labels = np.ones((240, 320), np.uint8)
    depth = np.full((240, 320), 1000, np.uint16)
    instances = []
    for index, (kind, color) in enumerate((("cube", "red"), ("bowl", "blue"))):
        y, x = int(rng.integers(10, 180)), int(rng.integers(10 + 150 * index, 100 + 150 * index))
        size = 24 if kind == "cube" else 44
        rgb[y : y + size, x : x + size] = _RGB[color]
        labels[y : y + size, x : x + size] = 3 + index
        depth[y : y + size, x : x + size] = 950
        instances.append((f"{color} {kind}", CLASS_INDEX[kind], COLORS.index(color)))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = [[0, -1, 0], [-1, 0, 0], [0, 0, -1]], [0.5, 0.0, 1.0]
    camera = Camera("overhead", 320, 240, 250, 250, 159.5, 119.5, Pose.from_matrix(matrix))
    return Shot(rgb, depth, labels, camera_to_array(camera), instances)


def records(count: int) -> list[dict]:
    """Commands of the generator with the things of their scenes."""
    found = []
    for seed in range(count):
        example = generate(seed, "train")
        record = example_record(example)
        record["things"] = [thing_to_dict(thing) for thing in things_of(example.scene)]
        record["natural"] = []
        found.append(record)
    return found


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ProgramTokenizer:
    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    train_tokenizer([record["program"] for record in records(60)], path, TINY.vocabulary)
    return ProgramTokenizer(path)


def test_the_vision_learns_what_is_drawn_and_finds_it_again() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    shots = [drawn_shot(seed) for seed in range(3)]
    network = EmbodiedNetwork(TINY)
    vision = network.vision.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(vision.parameters(), 6e-3)
    for _ in range(130):
        batch = dense_batch(shots, rng, (80, 128))
        loss = torch.stack(list(dense_loss(vision(batch.inputs), batch).values())).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    vision.eval()
    batch = dense_batch([drawn_shot(9)], rng, None)
    with torch.no_grad():
        classes = vision(batch.inputs).classes.argmax(1)
    assert (classes == batch.classes)[batch.thing].float().mean() > 0.6


def test_the_second_look_learns_to_name_what_is_cut_out() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    shots = [drawn_shot(seed) for seed in range(3)]
    recognizer = Recognizer(TINY).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(recognizer.parameters(), 4e-3)
    network = EmbodiedNetwork(TINY).eval()
    samples = true_samples(shots)
    assert len(samples) == 6 and chances_of(samples).sum() == pytest.approx(1.0)
    detected = detected_samples(network, shots, 3, rng)  # an untrained eye sees things everywhere
    assert all(sample.mask(shots[sample.shot]).any() for sample in detected)
    samples += [sample for sample in detected if sample.kind == NOTHING][:6]
    chances = chances_of(samples)
    for _ in range(120):
        chosen = rng.choice(len(samples), size=24, p=chances)
        loss = torch.stack(
            list(cutout_loss(recognizer, cutout_batch(shots, [samples[i] for i in chosen], rng)).values())
        )
        loss.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    recognizer.eval()
    new = [drawn_shot(seed) for seed in range(9, 15)]
    asked = true_samples(new)
    cutouts = []
    for sample in asked:  # as they are: half of what is learnt from has no colours, or half a mask
        picture, mask = new[sample.shot].picture(), sample.mask(new[sample.shot])
        cutouts.append(cut_out(picture.image, picture.depth, picture.camera, mask, window_of(mask)))
    with torch.no_grad():
        kinds = recognizer(*stack_cutouts(cutouts)).argmax(1) + STUFF
    assert sum(int(kind) == sample.kind for kind, sample in zip(kinds, asked, strict=True)) >= 11


def test_targets_point_every_cell_to_its_own_centre() -> None:
    shot = drawn_shot(3)
    batch = dense_batch([shot], np.random.default_rng(0), None)
    rows, columns = torch.nonzero(batch.thing[0], as_tuple=True)
    ends = {
        (round(float(c + batch.offsets[0, 0, r, c])), round(float(r + batch.offsets[0, 1, r, c])))
        for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
    }
    assert len(ends) == len(shot.instances)
    assert int((batch.centres[0] == 1).sum()) == len(shot.instances)


def test_a_mirrored_crop_keeps_offsets_consistent() -> None:
    shot = drawn_shot(4)
    for seed in range(6):
        batch = dense_batch([shot], np.random.default_rng(seed), (160, 208))
        for kind in batch.classes[0][batch.thing[0]].unique().tolist():
            cells = batch.thing[0] & (batch.classes[0] == kind)
            columns = torch.nonzero(cells, as_tuple=True)[1]
            x = columns + batch.offsets[0, 0][cells]
            assert float(x.max() - x.min()) < 1e-3


def test_a_small_network_learns_to_point_and_to_write(tokenizer: ProgramTokenizer) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    examples: list[Example] = []
    for record in records(30):
        example = plan_example(imagine_situation(record, TINY, rng), rng, again=0.0)
        if example is not None and example.phrases and len(examples) < 6:
            examples.append(example)
    network, sentences, reader = EmbodiedNetwork(TINY), SentenceEncoder(), WordReader(TINY)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    batch = sequence_batch(examples, tokenizer, reader, TINY)
    for _ in range(200):
        loss = torch.stack(list(sequence_loss(network, sentences, batch, 2).values())).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    network.eval()
    with torch.inference_mode():
        _, _, pointing = run_sequences(network, sentences, batch, 2)
        accuracy = pointer_accuracy(pointing, batch)
        written, named, told = [], [], []
        for example in examples:
            words = reader.read([example.words])
            scenes = stack_scenes([example.seen], [example.points], TINY)
            memory = network.fuse(sentences(words.pieces), words.letters, words.pieces != 0, scenes)
            writer = Writer(network, tokenizer, memory)
            links, hidden = writer.ground_all(tokenizer.start)
            texts = [link.words for link in links]
            written.append(ProgramWriter(writer, hidden, None, links).write().text == example.program)
            assert texts == [phrase.text for phrase in example.phrases]
            spoken = phrases_of(network.phrases(memory.words)[0], reader.places(example.words))
            named += [(item.start, item.alone) for item in spoken]
            told += [(start, alone) for start, _, alone, _ in example.spans or ()]
    assert accuracy["best"] > 0.9
    assert sum(written) >= len(examples) - 1
    assert named == told


def test_the_oracle_writes_only_what_the_grammar_allows(tokenizer: ProgramTokenizer) -> None:
    from embodied_agent.library import library
    from embodied_agent.program.grammar import lark

    grammar = Grammar(tokenizer, TINY.vocabulary)
    text = lark(library().for_planner)
    for record in records(80):
        for program in filter(None, (record["program"], record["repair"])):
            matcher = grammar.matcher(text)
            tokens = tokenizer.encode(program)
            assert matcher.try_consume_tokens(tokens) == len(tokens), program
            assert matcher.is_accepting(), program


def test_states_are_not_asked_of_the_language_head(tokenizer: ProgramTokenizer) -> None:
    rng = np.random.default_rng(1)
    example = next(
        e for r in records(20) if (e := plan_example(imagine_situation(r, TINY, rng), rng)) and e.phrases
    )
    tokens, links, _ = encode_example(example, tokenizer)
    batch = sequence_batch([example], tokenizer, WordReader(TINY), TINY)
    for place in links:
        assert tokens[place] == tokenizer.link
        assert batch.labels[0, place] == IGNORED
    assert int(batch.feedback[0].max()) == len(links) - 1


def test_queries_are_balanced_and_agree_with_the_scene() -> None:
    scene = generate(3, "train").scene
    things = things_of(scene)
    queries = draw_queries(things, 200, np.random.default_rng(0))
    states = [state for _, _, state in queries]
    for state in ("found", "several", "absent"):
        assert states.count(state) > 10
    for description, matches, state in queries:
        assert [m.id for m in resolve(description, things)] == [m.id for m in matches]
        assert (state == "absent") == (not matches)


def test_no_query_names_a_pair_that_training_never_shows() -> None:
    """It would always be absent, and the model would learn that there are no such things."""
    shown = pairs("train")
    for seed in range(12):
        things = things_of(generate(seed, "train").scene)
        for description, _, _ in draw_queries(things, 40, np.random.default_rng(seed)):
            others = (description.reference,) if description.reference else ()
            for item in (description, *description.except_, *others):
                assert not item.color or item.kind not in KINDS or (item.color, item.kind) in shown


def test_a_query_about_what_was_not_detected_has_no_pointer_loss() -> None:
    rng = np.random.default_rng(0)
    record = next(r for r in records(20) if len(r["things"]) > 3)
    situation = imagine_situation(record, TINY, rng)
    lost = next(iter(situation.token_of))
    blind = type(situation)(
        situation.seen, situation.things, {k: v for k, v in situation.token_of.items() if k != lost}
    )
    for example in query_examples(blind, 40, rng):
        assert example.phrases[0].certain


def test_things_hidden_in_a_drawer_get_no_token() -> None:
    things = (
        Thing("red cube", "cube", "red", "small", (0.5, 0.0, 0.02), (0.04, 0.04, 0.04), container="top drawer"),
        Thing("blue cube", "cube", "blue", "small", (0.5, 0.2, 0.02), (0.04, 0.04, 0.04)),
    )
    record = records(1)[0] | {"things": [thing_to_dict(t) for t in things], "points": []}
    situation = imagine_situation(record, TINY, np.random.default_rng(0))
    assert set(situation.token_of) == {"blue cube"}


@pytest.mark.parametrize("muon", [False, True])
def test_an_interrupted_stage_goes_on_where_it_stopped(tmp_path: Path, muon: bool) -> None:
    network = torch.nn.Linear(4, 1)
    blocks = (network,) if muon else ()
    x = torch.randn(64, 4)
    seen: list[int] = []

    def step(number: int, progress: float) -> dict[str, torch.Tensor]:
        seen.append(number)
        return {"loss": (network(x) - x.sum(1, keepdim=True)).square().mean()}

    cpu = torch.device("cpu")
    first = run_stage(Stage("a", 0.01, 1e-2, step, (network,), blocks), network, tmp_path, cpu)
    steps = len(seen)
    assert steps > 3
    run_stage(Stage("a", 0.02, 1e-2, step, (network,), blocks), network, tmp_path, cpu)
    assert seen[steps] == steps
    assert first


def test_a_broken_off_stage_keeps_what_its_optimizers_know(tmp_path: Path) -> None:
    network = torch.nn.Linear(4, 4)
    x = torch.randn(64, 4)

    def stage(steps: int) -> Stage:
        def step(number: int, progress: float) -> dict[str, torch.Tensor]:
            if number >= steps:
                raise KeyboardInterrupt
            return {"loss": (network(x) - x).square().mean()}

        return Stage("a", 1.0, 1e-2, step, (network,), (network,))

    with mock.patch("embodied_agent.training.loop.SAVE_EVERY", 0.0):
        with pytest.raises(KeyboardInterrupt):
            run_stage(stage(5), network, tmp_path, torch.device("cpu"))
        with pytest.raises(KeyboardInterrupt):
            run_stage(stage(9), network, tmp_path, torch.device("cpu"))
    saved = torch.load(tmp_path / "a.pt", weights_only=True)
    assert saved["step"] == 9 and not saved["done"]
    assert all(optimizer["state"] for optimizer in saved["optimizers"])


def test_batches_hold_every_example_once_and_like_lengths_together() -> None:
    rng = np.random.default_rng(3)
    drawn = [plan_example(imagine_situation(record, TINY, rng), rng) for record in records(64)]
    examples = [cut_short(example, rng) for example in drawn if example is not None]
    batches = batches_of_like_length(examples, 4)
    assert sorted(id(e) for batch in batches for e in batch) == sorted(map(id, examples))
    spread = [np.ptp([len(e.words) for e in batch]) for batch in batches]
    assert np.mean(spread) < np.ptp([len(e.words) for e in examples]) / 3


def test_a_program_cut_short_is_learnt_up_to_there_and_not_ended(tokenizer: ProgramTokenizer) -> None:
    rng = np.random.default_rng(4)
    drawn = (plan_example(imagine_situation(record, TINY, rng), rng) for record in records(30))
    whole = next(example for example in drawn if example is not None and len(example.program) > 200)
    short = replace(whole, until=7)
    (all_tokens, _, _), (tokens, _, _) = (encode_example(e, tokenizer) for e in (whole, short))
    start = all_tokens.index(tokenizer.program)
    assert tokens == all_tokens[: start + 1 + 7]
    assert all_tokens[-1] == tokenizer.end and tokenizer.end not in tokens


def test_shards_come_back_and_half_written_ones_are_ignored(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard-0000", [drawn_shot(1), drawn_shot(2)])
    (tmp_path / "shard-0001.partial").mkdir()
    shots = Shots(tmp_path)
    assert len(shots) == 2
    assert np.array_equal(shots[1].labels, drawn_shot(2).labels)
    assert shots[1].instances == drawn_shot(2).instances


def test_visual_tokens_come_back_from_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    situations = [imagine_situation(record, TINY, rng) for record in records(3)]
    save_tokens(tmp_path / "tokens.npz", {str(i): (s.seen, s.token_of) for i, s in enumerate(situations)})
    loaded = load_tokens(tmp_path / "tokens.npz")
    for situation, (seen, token_of) in zip(situations, loaded.values(), strict=True):
        assert token_of == situation.token_of
        assert np.array_equal(seen.geometry, situation.seen.geometry)


def test_instances_are_matched_to_labels_by_overlap() -> None:
    from embodied_agent.mllm.instances import Instances

    shot = drawn_shot(5)
    labels = shot.labels[::2, ::2].astype(np.int16)
    ids = np.where(labels == 4, 0, np.where(labels == 3, 1, -1)).astype(np.int16)
    empty = np.zeros((2, 25), np.float32), np.zeros((2, 8), np.float32), np.ones(2, np.float32)
    instances = Instances(ids, *empty, thing=(ids >= 0).astype(np.float32))
    assert match_instances(shot, instances) == {"red cube": 1, "blue bowl": 0}


def test_the_vision_has_no_gradient_in_the_language_stages(tokenizer: ProgramTokenizer) -> None:
    rng = np.random.default_rng(2)
    network = EmbodiedNetwork(TINY)
    examples = query_examples(imagine_situation(records(1)[0], TINY, rng), 4, rng)
    batch = sequence_batch(examples, tokenizer, WordReader(TINY), TINY)
    torch.stack(list(sequence_loss(network, SentenceEncoder(), batch, 1).values())).sum().backward()
    assert all(p.grad is None for p in network.vision.parameters())
    assert isinstance(network.vision, Vision)
    assert network.decoder.tokens.weight.grad is not None
