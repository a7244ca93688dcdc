from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import Denoiser


def test_tokens_go_in_as_context_and_latents_beside_the_noisy_ones():
    calls = []

    def network(x, **options):
        calls.append((x, options))
        return x

    x, times = torch.randn(2, 3, 4, 4, 4), torch.full((2,), 7)
    tokens, latent = torch.randn(2, 1, 4), torch.randn(2, 5, 4, 4, 4)
    Denoiser("crossattn").bind(network, tokens)(x, timesteps=times)
    Denoiser("concat").bind(network, latent)(x, timesteps=times)
    assert torch.equal(calls[0][0], x)
    assert calls[0][1] == {"timesteps": times, "context": tokens}
    assert torch.equal(calls[1][0], torch.cat([x, latent], dim=1))
    assert calls[1][1] == {"timesteps": times}


@pytest.mark.parametrize(
    ("channels_last", "precision"), [(True, "fp32"), (False, "bf16"), (None, "fp32"), (None, "bf16")]
)
def test_inputs_and_weights_are_in_the_memory_format(channels_last, precision):
    seen = []

    class Network(torch.nn.Conv3d):
        def forward(self, x, timesteps):
            seen.append(x)
            return x

    network, x = Network(8, 8, 3), torch.randn(1, 4, 4, 4, 4)
    denoiser = Denoiser("concat", precision=precision, channels_last=channels_last)
    denoiser.bind(network, x)(x, timesteps=torch.zeros(1))
    expected = channels_last if channels_last is not None else precision == "bf16"
    for tensor in (seen[0], network.weight):
        assert tensor.is_contiguous(memory_format=torch.channels_last_3d) == expected
        assert tensor.is_contiguous() != expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "add"}, "mode is 'add'; allowed: crossattn, concat"),
        ({"guidance_scale": -1.0}, r"guidance_scale must not be negative, got -1\.0"),
        ({"guidance_scale": 3.0}, "guidance_scale is 3, but the network cannot sample without its condition"),
        ({"precision": "half"}, "precision is 'half'; allowed: fp32, bf16, fp16, auto"),
    ],
)
def test_bad_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        Denoiser(**arguments)


def test_conditions_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"condition must have shape \(B, T, K\) with B > 0, got \(3, 4\)"):
        Denoiser().check_condition(torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"must have shape \(B, C, \[D,\] H, W\) with B > 0, got \(0, 1, 4, 4\)"):
        Denoiser("concat").check_condition(torch.zeros(0, 1, 4, 4))


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_guidance_goes_from_no_condition_through_the_condition(scale):
    """A network of constants: 10 without a condition, 14 with this one."""
    calls = []

    def network(x, timesteps, context):
        calls.append(len(x))
        level = torch.where(context[:, 0, 0].isnan(), 10.0, 10.0 + context[:, 0, 0])
        return level.view(-1, 1, 1, 1, 1).expand_as(x)

    denoiser = Denoiser(guidance_scale=scale, condition_dropout=0.1, precision="fp32")
    predict = denoiser.bind(network, torch.full((2, 1, 4), 4.0))
    found = predict(torch.zeros(2, 3, 4, 4, 4), timesteps=torch.full((2,), 7))
    torch.testing.assert_close(found, torch.full((2, 3, 4, 4, 4), 10 + 4 * scale))
    assert calls == [2 if scale == 1 else 4]
