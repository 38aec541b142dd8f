"""A tiny image-text model with random weights, made on the spot: real files, no meaning."""

from __future__ import annotations

from pathlib import Path

CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] in ('image', 'image_url') %}<image>{% else %}{{ c['text'] }}"
    "{% endif %}{% endfor %}{% endif %}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def save_tiny_llava(folder: Path, *, template: bool = True, says: str = "") -> Path:
    """Write a LLaVA of some 100,000 parameters with a byte-level tokenizer.

    Args:
        folder: Where to.
        template: Give it a chat template.
        says: One text that its weights are set to write, whatever the prompt; "" = random weights.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    special = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if says:  # one token, spelt as byte-level tokens are
        whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        alphabet.append(whole.pre_tokenize_str(says)[0][0])
    vocabulary = {token: number for number, token in enumerate([*special, *alphabet])}
    plain = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32,
        patch_size=16, projection_dim=16,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=32768, bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=vocabulary["<image>"],
        vision_feature_layer=-1, image_seq_length=4,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    if says:
        _teach(model, len(tokenizer) - 1)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT if template else None,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _teach(model: object, token: int) -> None:
    """Weights by hand: every token is followed by `token`, and `token` by the end."""
    import torch

    language = model.model.language_model  # type: ignore[attr-defined]
    with torch.no_grad():
        for layer in language.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embedding, head = language.embed_tokens.weight, model.lm_head.weight  # type: ignore[attr-defined]
        embedding.zero_()
        head.zero_()
        embedding[:, 0] = 1.0
        embedding[token, 1] = 4.0
        head[token, 0] = 1.0
        head[2, 1] = 2.0
