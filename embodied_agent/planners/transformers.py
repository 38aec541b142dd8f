"""A planner on any local `transformers` image-text model, by path; nothing is ever downloaded.

Decoding runs under the language's grammar where the tokenizer permits: llguidance computes the
tokens that may come next, everything else gets probability zero.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from PIL import Image

from embodied_agent.config import Range
from embodied_agent.errors import ConfigError, MissingDependency, PlannerError, ProgramError, WeightsError
from embodied_agent.planners.images import marked, shrunk
from embodied_agent.planners.planner import Failure, Plan, PlanRequest
from embodied_agent.planners.prompt import program_in, request_text, system_text
from embodied_agent.program.parse import parse

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TransformersSettings:
    """One local model. The file is `configs/planners/transformers.yaml`, or one of your own.

    Attributes:
        path: Folder with config.json, weights (safetensors) and tokenizer.
        device: "cpu", "cuda", "cuda:1", ...
        dtype: Number format of the weights; "auto" = as stored.
        max_new_tokens: Longest program.
        timeout_s: Longest decoding.
        rewrites: Further tries after an answer that is no program; the error goes back to the model.
        constrained: "auto" decodes under the grammar where the tokenizer permits; "required" fails
            where it does not; "off" never does.
        longest_side: Images are shrunk to this [px].
    """

    path: str = ""
    device: str = "cpu"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    max_new_tokens: Annotated[int, Range(8, 65536)] = 768
    timeout_s: Annotated[float, Range(0.1, 3600)] = 120.0
    rewrites: Annotated[int, Range(0, 5)] = 1
    constrained: Literal["auto", "required", "off"] = "auto"
    longest_side: Annotated[int, Range(32, 4096)] = 768


class GrammarProcessor:
    """A `transformers` logits processor that lets only tokens through that the grammar allows."""

    def __init__(self, tokenizer: Any, grammar: str, vocabulary: int, prompt_tokens: int) -> None:
        import llguidance
        import llguidance.numpy

        self._numpy = llguidance.numpy
        self._matcher = llguidance.LLMatcher(tokenizer, grammar)
        if self._matcher.is_error():
            raise PlannerError(f"the grammar does not compile: {self._matcher.get_error()}")
        self._mask = llguidance.numpy.allocate_token_bitmask(1, tokenizer.vocab_size)
        self._vocabulary, self._seen = vocabulary, prompt_tokens

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Mask the scores (1, V), given all tokens so far (1, T)."""
        import torch

        for token in ids[0, self._seen :].tolist():
            self._matcher.consume_token(token)
            if self._matcher.is_error():
                raise PlannerError(f"decoding left the grammar: {self._matcher.get_error()}")
        self._seen = ids.shape[1]
        self._numpy.fill_next_token_bitmask(self._matcher, self._mask)
        allowed = np.unpackbits(self._mask.view(np.uint8), bitorder="little").astype(bool)
        width = scores.shape[-1]
        padded = np.zeros(max(width, allowed.size), dtype=bool)
        padded[: allowed.size] = allowed
        return scores.masked_fill(~torch.from_numpy(padded[:width]).to(scores.device), -math.inf)


class TransformersPlanner:
    """Plans with a local image-text model."""

    name = "transformers"

    def __init__(self, settings: TransformersSettings) -> None:
        self.settings = settings
        folder = checked_folder(settings.path)
        self._torch, auto_model, auto_processor = _libraries()
        try:
            self._processor = auto_processor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError, TypeError, AttributeError) as error:
            raise WeightsError(f"{folder}: no usable processor ({_first_line(error)})") from None
        self._tokenizer = getattr(self._processor, "tokenizer", self._processor)
        try:
            model = auto_model.from_pretrained(
                folder,
                local_files_only=True,
                dtype=settings.dtype if settings.dtype == "auto" else getattr(self._torch, settings.dtype),
                use_safetensors=True,  # never a pickle
            )
            self._model = model.to(settings.device).eval()
        except Exception as error:  # the loaders raise whatever their file formats raise
            raise WeightsError(
                f"{folder}: the model does not load ({_first_line(error)}); "
                "it must be an image-text model with safetensors weights"
            ) from None
        self._guide = self._guidance()

    def _guidance(self) -> Any:
        """The tokenizer as the grammar engine reads it; None where that cannot be."""
        if self.settings.constrained == "off":
            return None
        try:
            import llguidance.hf

            width = int(self._model.get_output_embeddings().weight.shape[0])
            return llguidance.hf.from_tokenizer(self._tokenizer, n_vocab=max(width, len(self._tokenizer)))
        except Exception as error:
            if self.settings.constrained == "required":
                raise PlannerError(
                    f"{self.settings.path}: its tokenizer cannot decode under a grammar ({_first_line(error)}); "
                    "set constrained to auto or off"
                ) from None
            return None

    @property
    def constrained(self) -> bool:
        """Whether decoding runs under the grammar."""
        return self._guide is not None

    def plan(self, request: PlanRequest) -> Plan:
        """Write a program; what is no program goes back to the model `rewrites` times.

        Raises:
            PlannerError: The model writes no program, or not in time.
        """
        start = time.perf_counter()
        deadline = start + self.settings.timeout_s
        problem, text = "", ""
        for _ in range(self.settings.rewrites + 1):
            text = program_in(self._write(request, deadline - time.perf_counter()))
            try:
                parse(text)
            except ProgramError as error:
                problem = str(error.problems[0] if error.problems else error)
                failure = Failure(text[:2000], "", 0, problem)
                request = replace(request, failures=(*request.failures, failure))
                continue
            return Plan(text, timings={"decode_s": time.perf_counter() - start})
        raise PlannerError(
            f"model {Path(self.settings.path).name!r} wrote no program: {problem}; it said {text[:80]!r}"
        )

    def _write(self, request: PlanRequest, seconds: float) -> str:
        torch = self._torch
        if seconds <= 0:
            raise PlannerError(f"no program within {self.settings.timeout_s:g} s; raise timeout_s")
        inputs = self._inputs(request)
        prompt = int(inputs["input_ids"].shape[1])
        longest = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if longest and prompt + 16 > longest:
            raise PlannerError(
                f"the prompt has {prompt} tokens, the model takes {longest}; use a model that takes more"
            )
        room = min(self.settings.max_new_tokens, longest - prompt) if longest else self.settings.max_new_tokens
        processors: list[Any] = []
        if self._guide is not None and request.grammar:
            width = int(self._model.get_output_embeddings().weight.shape[0])
            processors.append(GrammarProcessor(self._guide, request.grammar, width, prompt))
        try:
            with torch.inference_mode():
                output = self._model.generate(
                    **inputs,
                    max_new_tokens=room,
                    max_time=seconds,
                    do_sample=False,
                    logits_processor=processors,
                    pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
                )
        except PlannerError:
            raise
        except Exception as error:  # models fail on odd prompts in their own ways
            raise PlannerError(f"{self.settings.path}: decoding failed ({_first_line(error)})") from None
        answer: str = self._tokenizer.decode(output[0, prompt:], skip_special_tokens=True)
        return answer

    def _inputs(self, request: PlanRequest) -> dict[str, Any]:
        """The prompt as the model's own template writes it, or a plain one where it has none."""
        pictures = [
            Image.fromarray(
                shrunk(
                    marked(
                        frame.rgb, request.command.points if frame.camera.name == request.command.camera else ()
                    ),
                    self.settings.longest_side,
                )
            )
            for frame in request.frames
        ]
        rules, command = system_text(request.reference), request_text(request)
        try:
            text = self._prompt(rules, command, len(pictures))
            inputs = self._processor(text=text, images=pictures or None, return_tensors="pt")
        except Exception as error:  # a processor refuses pictures and templates in its own ways
            raise PlannerError(
                f"{self.settings.path}: its processor refuses the prompt ({_first_line(error)})"
            ) from None
        dtype = self._model.dtype
        return {
            key: (
                value.to(self.settings.device, dtype)
                if value.is_floating_point()
                else value.to(self.settings.device)
            )
            for key, value in inputs.items()
        }

    def _prompt(self, rules: str, command: str, pictures: int) -> str:
        image = {"type": "image"}
        if getattr(self._processor, "chat_template", None):
            chat = [
                {"role": "system", "content": [{"type": "text", "text": rules}]},
                {"role": "user", "content": [*[image] * pictures, {"type": "text", "text": command}]},
            ]
            text: str = self._processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
            return text
        token = str(getattr(self._processor, "image_token", "<image>"))
        return f"{rules}\n\n{token * pictures}\n{command}\nProgram:\n"


def checked_folder(path: str) -> str:
    """The folder of a model, with what must be in it.

    Raises:
        ConfigError: No path was given.
        WeightsError: Not a folder, or without configuration or safetensors, or a file is cut off.
    """
    if not path:
        raise ConfigError("planner transformers: give the model's folder with --model PATH")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise WeightsError(f"{folder}: no such folder; models are local and never downloaded")
    if not (folder / "config.json").is_file():
        raise WeightsError(f"{folder}: holds no config.json, so it is no transformers model")
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise WeightsError(f"{folder}: holds no *.safetensors weights (pickled weights are not read)")
    for file in files:
        if problem := _safetensors_problem(file):
            raise WeightsError(f"{file}: {problem}; copy it anew")
    return str(folder)


def _safetensors_problem(file: Path) -> str:
    """What is wrong with the size of a safetensors file, from its own header; "" if nothing is."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            return "is truncated, or no safetensors file"
        try:
            header = json.loads(stream.read(length))
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return "has an unreadable header"
    expected = 8 + length + max(ends, default=0)
    return "" if expected == size else f"is truncated: {size} of {expected} bytes"


def _libraries() -> tuple[Any, Any, Any]:
    try:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from transformers.utils import logging
    except ImportError as error:
        raise MissingDependency(
            f"planner transformers needs torch and transformers ({_first_line(error)}): "
            "pip install 'embodied_agent[mllm]'"
        ) from None
    quiet: Any = logging  # its remarks and bars would tear the live tree apart
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    return torch, AutoModelForImageTextToText, AutoProcessor


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
