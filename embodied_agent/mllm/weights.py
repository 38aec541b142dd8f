"""Weights on disk: safetensors in shards of at most 16 MB, bfloat16, and one JSON that lists them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embodied_agent.errors import WeightsError
from embodied_agent.mllm.network import EmbodiedNetwork
from embodied_agent.mllm.settings import VERSION, ModelSettings
from embodied_agent.mllm.tokenizer import FILE_NAME as TOKENIZER_FILE
from embodied_agent.mllm.tokenizer import MENTIONS, ProgramTokenizer

DIRECTORY = Path(__file__).parent / "weights"
INDEX = "model.json"
SHARD_BYTES = 15_500_000


def save_weights(network: EmbodiedNetwork, directory: Path, facts: dict[str, Any]) -> None:
    """Write shards and index; batch statistics and norms stay float32.

    Args:
        network: What to save.
        directory: Made if it does not exist; older shards in it are replaced.
        facts: JSON-ready remarks on the training, kept in the index.
    """
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, value in sorted(network.state_dict().items()):
        stored = value.detach().cpu().contiguous()
        if stored.is_floating_point() and stored.dim() > 1:
            stored = stored.to(torch.bfloat16)
        size = stored.numel() * stored.element_size()
        if used + size > SHARD_BYTES and shards[-1]:
            shards.append({})
            used = 0
        shards[-1][name] = stored.clone()
        used += size
    for old in directory.glob("model-*.safetensors"):
        old.unlink()
    files = {}
    for number, shard in enumerate(shards, start=1):
        path = directory / f"model-{number}.safetensors"
        save_file(shard, str(path))
        path.chmod(0o644)  # the library leaves it readable for the owner alone
        files[path.name] = path.stat().st_size
    index = {"version": VERSION, "settings": network.settings.to_dict(), "files": files, "training": facts}
    (directory / INDEX).write_text(json.dumps(index, indent=1) + "\n")


def load_weights(directory: Path | None = None) -> tuple[EmbodiedNetwork, ProgramTokenizer, dict[str, Any]]:
    """Read a trained model.

    Args:
        directory: Where `save_weights` wrote; None = the model that comes with the package.

    Returns:
        The network (float32, in evaluation mode), its tokenizer, and the index.

    Raises:
        WeightsError: Something is missing, truncated, or of another version; one line says what.
    """
    directory = directory or DIRECTORY
    index = _read_index(directory / INDEX)
    settings = ModelSettings.from_dict(index["settings"])
    tokenizer = ProgramTokenizer(directory / TOKENIZER_FILE)
    if len(tokenizer) + MENTIONS > settings.vocabulary:
        needed = f"{len(tokenizer)} tokens, and {MENTIONS} mentions beside them"
        raise WeightsError(f"{tokenizer.path} has {needed}; the model has room for {settings.vocabulary}")
    state: dict[str, Tensor] = {}
    for name, size in index["files"].items():
        state.update(_read_shard(directory / name, int(size)))
    network = EmbodiedNetwork(settings)
    own = network.state_dict()
    for name in sorted(own.keys() ^ state.keys()):
        fault = "lacks" if name in own else "has an unknown part,"
        raise WeightsError(f"the model in {directory} {fault} '{name}': it was made by another version")
    for name, value in state.items():
        if value.shape != own[name].shape:
            raise WeightsError(f"the model in {directory} has '{name}' of another size")
        own[name].copy_(value)
    network.eval()
    network.requires_grad_(False)
    return network, tokenizer, index


def _read_index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text())
    except FileNotFoundError:
        raise WeightsError(
            f"no model at {path.parent} ({INDEX} is missing); reinstall the package or run 'embodied-agent train'"
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is unreadable: {error}") from error
    version = index.get("version") if isinstance(index, dict) else None
    if version != VERSION:
        raise WeightsError(f"{path} is of version {version}, this package reads version {VERSION}")
    if not isinstance(index.get("settings"), dict) or not isinstance(index.get("files"), dict):
        raise WeightsError(f"{path} lacks its settings or its list of files")
    known: dict[str, Any] = index
    return known


def _read_shard(path: Path, size: int) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise WeightsError(f"{path} is missing; reinstall the package")
    found = path.stat().st_size
    if found != size:
        raise WeightsError(f"{path} has {found} bytes instead of {size}: truncated or another file")
    try:
        tensors: dict[str, Tensor] = load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is unreadable: {error}") from error
    return tensors
