"""Checkpoints of a real architecture with seeded random weights, for machines that cannot download any."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CLIP_TOKENS = 49_408
_START, _END = "<|startoftext|>", "<|endoftext|>"
_LARGE = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
_SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def random_clip(folder: Path, tokenizer: Path, seed: int = 0) -> Path:
    """Write a CLIP ViT-L/14 text tower (12 layers, 768 wide, projection 768) with CLIP's real vocabulary.

    Args:
        folder: where to write it.
        tokenizer: a folder with CLIP's vocab.json and merges.txt.
        seed: of the weights.
    """
    from transformers import CLIPTokenizer

    vocabulary, merges = str(tokenizer / "vocab.json"), str(tokenizer / "merges.txt")
    return random_tower(folder, CLIPTokenizer(vocabulary, merges, model_max_length=77), small=False, seed=seed)


def random_tower(folder: Path, tokenizer: Any, small: bool, seed: int = 0) -> Path:
    """Write a text tower with a CLIP tokenizer: that of CLIP ViT-L/14, or a small one (2 layers, 32 wide)."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    sizes: dict[str, Any] = _SMALL if small else _LARGE
    config = CLIPTextConfig(
        **sizes,
        projection_dim=sizes["hidden_size"],
        vocab_size=CLIP_TOKENS,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        # The default is so small that all random vectors point the same way, which would make any parity trivial.
        initializer_factor=3.0,
    )
    torch.manual_seed(seed)
    CLIPTextModelWithProjection(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def clip_tokenizer(texts: Iterable[str]) -> Any:
    """Return a tokenizer of CLIP's kind (lower case, bytes, pieces that end a word) with pieces learned from texts."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    learning = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learning.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    learning.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    single = [*letters, *(f"{letter}</w>" for letter in letters)]
    trainer = trainers.BpeTrainer(
        vocab_size=CLIP_TOKENS - 2,
        initial_alphabet=letters,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learning.train_from_iterator(sorted(texts), trainer)
    learned = json.loads(learning.to_str())["model"]
    pieces = [*single, *(piece for piece in learned["vocab"] if piece not in set(single))][: CLIP_TOKENS - 2]
    known = set(pieces)
    merges = [tuple(pair) for pair in learned["merges"] if "".join(pair) in known]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, _START, _END])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def random_minilm(folder: Path, texts: Iterable[str], small: bool, seed: int = 0) -> Path:
    """Write a sentence encoder of all-MiniLM-L6-v2's shape, or a small one, with pieces learned from texts."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizer

    learning = BertWordPieceTokenizer()
    learning.train_from_iterator(sorted(texts), vocab_size=30_522, show_progress=False)
    tokenizer = BertTokenizer(vocab=learning.get_vocab(), model_max_length=256)
    width, layers, heads = (32, 2, 4) if small else (384, 6, 12)
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.1,
    )
    torch.manual_seed(seed)
    BertModel(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    named = ((0, "", "Transformer"), (1, "1_Pooling", "Pooling"), (2, "2_Normalize", "Normalize"))
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, path, kind in named
    ]
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    files = {"modules.json": modules, "1_Pooling/config.json": pooling}
    files["sentence_bert_config.json"] = {"max_seq_length": 256, "do_lower_case": False}
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "2_Normalize").mkdir(exist_ok=True)
    return folder


def random_image_tower(folder: Path, small: bool, seed: int = 0) -> Path:
    """Write CLIP ViT-L/14's image tower (24 layers, 1024 wide, pictures of 224 x 224), or a small one, in bfloat16."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes: dict[str, Any] = {**_SMALL, "image_size": 32, "patch_size": 8, "projection_dim": 32}
    if not small:
        sizes = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
        sizes |= {"image_size": 224, "patch_size": 14, "projection_dim": 768}
    torch.manual_seed(seed)
    CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes)).eval().to(torch.bfloat16).save_pretrained(folder)
    return folder
