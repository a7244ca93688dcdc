from __future__ import annotations

import pytest
import torch
from brain_bundles.networks import LatentVQAutoencoder
from brain_mri_adaptive_translator import MSSPADE, AdaptiveAutoencoder

CONTRASTS = ["T1w", "T2w", "FLAIR"]


def make_autoencoder() -> AdaptiveAutoencoder:
    torch.manual_seed(0)
    autoencoder = LatentVQAutoencoder(
        spatial_dims=3,
        channels=(4, 8),
        attention_levels=(False, False),
        num_res_blocks=(1, 1),
        latent_channels=2,
        norm_num_groups=2,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
        num_embeddings=8,
    )
    return AdaptiveAutoencoder(autoencoder, MSSPADE(3, 2, channels=(4,), hidden_channels=4), CONTRASTS)


@pytest.fixture
def adaptive() -> AdaptiveAutoencoder:
    return make_autoencoder()
