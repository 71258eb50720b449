"""Checkpoints of a real architecture with seeded random weights, for machines that cannot download any."""

from __future__ import annotations

from pathlib import Path


def random_clip(folder: Path, tokenizer: Path, seed: int = 0) -> Path:
    """Write a CLIP ViT-L/14 text tower (12 layers, 768 wide, projection 768) with CLIP's real vocabulary.

    Args:
        folder: where to write it.
        tokenizer: a folder with CLIP's vocab.json and merges.txt.
        seed: of the weights.
    """
    import torch
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

    config = CLIPTextConfig(
        hidden_size=768,
        intermediate_size=3072,
        projection_dim=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        vocab_size=49408,
        max_position_embeddings=77,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=49407,
        # The default is so small that all random vectors point the same way, which would make any parity trivial.
        initializer_factor=3.0,
    )
    torch.manual_seed(seed)
    CLIPTextModelWithProjection(config).eval().save_pretrained(folder)
    CLIPTokenizer(str(tokenizer / "vocab.json"), str(tokenizer / "merges.txt"), model_max_length=77).save_pretrained(
        folder
    )
    return folder
