"""Tiny random models of the transformers library, as folders."""

from pathlib import Path

import pytest

transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
CONVOLUTIONS = {
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (8, 8, 5),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "vocab_size": 32,
    "num_mel_bins": 80,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
KINDS = ("Wav2Vec2", "Hubert", "WavLM", "Data2VecAudio", "Whisper")
"""Beginnings of the names of classes of transformers."""


def made_model(kind: str, folder: Path, seed: int = 0, **changed: object) -> Path:
    """Write a model with random weights, and what prepares its input, to a folder."""
    import torch

    torch.manual_seed(seed)
    sizes = WHISPER if kind == "Whisper" else {**SIZES, **CONVOLUTIONS}
    config = getattr(transformers, f"{kind}Config")(**{**sizes, **changed})
    model = getattr(transformers, f"{kind}Model")(config).eval()
    model.save_pretrained(folder)
    if kind == "Whisper":
        transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    else:
        transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\ndatasets:\n- librispeech_asr\n- voxpopuli\n---\nA model.\n")
    return folder
