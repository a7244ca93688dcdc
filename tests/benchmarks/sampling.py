"""Time the sampling path beside that of the official brain LDM bundle, at the size of the paper, with random weights.

    python tests/benchmarks/sampling.py --steps 2 --output benchmark

A few network steps and one decode are timed per path and scaled to a whole volume. Each part runs in a process of its
own, so that its peak memory is its own. Needs monai-generative (the extra ``legacy``) for the official networks.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from brain_bundles.inferers import Denoiser, LatentDecoder, LatentSampler
from brain_bundles.networks import LatentAutoencoderKL
from brain_bundles.schedulers import DenoisingSteps, make_scheduler
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDIMScheduler

OFFICIAL_STEPS = 50
OUR_STEPS = (15, 20)
SLAB_SIZE = 8
PARTS = ("unet:official", "unet:ours", "decode:official", "decode:ours", "decode:ours_fp32", "slabs")
SIZES: dict[str, dict[str, Any]] = {
    "paper": {"latent": (3, 20, 28, 20), "groups": 32, "autoencoder": (64, 128, 128, 128), "unet": (256, 512, 768)},
    "smoke": {"latent": (3, 4, 4, 4), "groups": 8, "autoencoder": (8, 16, 16, 16), "unet": (32, 32, 64)},
}


class Hybrid(torch.nn.Module):
    """The published conditioning: the four covariates as constant channels and as one cross-attention token."""

    def __init__(self, unet: torch.nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        maps = context[:, 0, :, None, None, None].expand(-1, -1, *x.shape[2:])
        return self.unet(torch.cat([x, maps], dim=1), timesteps=timesteps, context=context)


def build_unet(official: bool, size: dict[str, Any]) -> Hybrid:
    channels = size["unet"]
    options: dict[str, Any] = {
        "spatial_dims": 3,
        "in_channels": 7,
        "out_channels": 3,
        "num_res_blocks": 2,
        "attention_levels": (False, True, True),
        "num_head_channels": (0, *channels[1:]),
        "norm_num_groups": size["groups"],
        "norm_eps": 1e-6,
        "with_conditioning": True,
        "cross_attention_dim": 4,
        "resblock_updown": True,
        "upcast_attention": True,
    }
    if official:
        from generative.networks.nets import DiffusionModelUNet as OfficialUNet

        return Hybrid(OfficialUNet(num_channels=channels, **options).eval())
    return Hybrid(DiffusionModelUNet(channels=channels, **options).eval())


def build_autoencoder(official: bool, size: dict[str, Any]) -> Any:
    options: dict[str, Any] = {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 1,
        "num_res_blocks": (2, 2, 2, 2),
        "attention_levels": (False, False, False, False),
        "latent_channels": 3,
        "norm_num_groups": size["groups"],
        "with_encoder_nonlocal_attn": False,
        "with_decoder_nonlocal_attn": False,
    }
    if official:
        from generative.networks.nets import AutoencoderKL as OfficialAutoencoder

        return OfficialAutoencoder(num_channels=size["autoencoder"], **options).eval()
    return LatentAutoencoderKL(channels=size["autoencoder"], **options).eval()


def prepare_unet(official: bool, size: dict[str, Any], device: torch.device, steps: int) -> Callable[[], object]:
    """Return a call that makes ``steps`` network steps."""
    network, context = build_unet(official, size).to(device), torch.full((1, 1, 4), 0.5, device=device)
    if not official:
        scheduler = make_scheduler("dpm_solver", prediction_type="epsilon")
        decoder = LatentDecoder(build_autoencoder(False, SIZES["smoke"]))  # not used: only latents are drawn
        sampler = LatentSampler(
            DenoisingSteps(scheduler, steps), Denoiser(), decoder, latent_shape=size["latent"], progress=False
        )
        return lambda: sampler.sample_latents(context, network, seeds=[0])
    ddim = DDIMScheduler(schedule="scaled_linear_beta", beta_start=0.0015, beta_end=0.0205, clip_sample=False)
    ddim.set_timesteps(OFFICIAL_STEPS)

    def walk() -> torch.Tensor:
        x = torch.randn(1, *size["latent"], device=device)
        with torch.no_grad():
            for timestep in ddim.timesteps[:steps]:
                output = network(x, timestep[None].to(device), context)
                x, _ = ddim.step(output, int(timestep), x)
        return x

    return walk


def prepare_decode(path: str, size: dict[str, Any], device: torch.device) -> Callable[[], object]:
    """Return a call that decodes one volume."""
    official = path == "official"
    autoencoder, latent = build_autoencoder(official, size).to(device), torch.randn(1, *size["latent"], device=device)
    if official:

        def decode() -> torch.Tensor:
            with torch.no_grad():
                return autoencoder.decode_stage_2_outputs(latent)

        return decode
    precision = "fp32" if path == "ours_fp32" else "auto"
    decoder = LatentDecoder(autoencoder, precision=precision, slab_size=SLAB_SIZE)
    return lambda: decoder(latent)


def largest_difference(size: dict[str, Any], device: torch.device) -> float:
    """Largest difference of a volume decoded in slabs and at once, in fp32, relative to the largest value."""
    autoencoder, latent = build_autoencoder(False, size).to(device), torch.randn(1, *size["latent"], device=device)
    with torch.inference_mode():
        whole = autoencoder.decode_stage_2_outputs(latent)
        slabs = autoencoder.decode_stage_2_outputs(latent, slab_size=SLAB_SIZE)
    return float((slabs - whole).abs().max() / whole.abs().max())


def peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(part: str, options: argparse.Namespace) -> dict[str, float]:
    """Measure seconds and peak memory of one part in this process, beyond the small networks; or what slabs change."""
    kind, _, path = part.partition(":")
    device, official = torch.device(options.device), path == "official"
    size = SIZES["smoke" if options.smoke else "paper"]
    torch.manual_seed(0)
    if kind == "slabs":
        return {"difference": largest_difference(size, device)}
    count = options.steps if kind == "unet" else 1
    if kind == "unet":
        prepare_unet(official, SIZES["smoke"], device, 1)()  # loads the kernels
        call = prepare_unet(official, size, device, count)
    else:
        prepare_decode(path, SIZES["smoke"], device)()
        call = prepare_decode(path, size, device)
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    before = peak_bytes(device)
    seconds = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append((time.perf_counter() - start) / count)
    return {"seconds": statistics.median(seconds), "peak_gb": (peak_bytes(device) - before) / 1e9}


def summarise(parts: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """One row per way to make a volume."""
    rows: list[dict[str, Any]] = []
    for label, path, steps in [
        (f"official: fp32, DDIM {OFFICIAL_STEPS}", "official", OFFICIAL_STEPS),
        *((f"ours: auto precision, DPM-Solver++ {count}", "ours", count) for count in OUR_STEPS),
    ]:
        unet, decode = parts[f"unet:{path}"], parts[f"decode:{path}"]
        volume = steps * unet["seconds"] + decode["seconds"]
        rows.append({"path": label, "step_s": unet["seconds"], "decode_s": decode["seconds"], "volume_s": volume})
        rows[-1] |= {"unet_peak_gb": unet["peak_gb"], "decode_peak_gb": decode["peak_gb"]}
        rows[-1] |= {"share": volume / rows[0]["volume_s"]}
    return rows


def to_markdown(rows: list[dict[str, Any]], fp32: dict[str, float], difference: float) -> str:
    lines = [
        "| path | s per UNet step | s per decode | s per volume | of official | UNet peak, GB | decode peak, GB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['path']} | {row['step_s']:.3f} | {row['decode_s']:.2f} | {row['volume_s']:.1f} | {row['share']:.2f} "
        f"| {row['unet_peak_gb']:.2f} | {row['decode_peak_gb']:.2f} |"
        for row in rows
    ]
    lines.append(f"| ours, decode in fp32 | | {fp32['seconds']:.2f} | | | | {fp32['peak_gb']:.2f} |")
    lines += [
        "",
        f"Largest difference between slabs and the whole volume, of the largest value (fp32): {difference:.1e}",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2, help="network steps to time per repeat (default 2)")
    parser.add_argument("--repeats", type=int, default=1, help="repeats; the median counts (default 1)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default all)")
    parser.add_argument("--output", type=Path, default=Path("benchmark"), help="folder for sampling.json and .md")
    parser.add_argument("--smoke", action="store_true", help="tiny networks, to see that it runs")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    if options.part:
        sys.stdout.write(json.dumps(measure(options.part, options)))
        return
    parts: dict[str, dict[str, float]] = {}
    for part in PARTS:
        command = [sys.executable, "-W", "ignore", __file__, "--part", part]
        command += [f"--{name}={getattr(options, name)}" for name in ("steps", "repeats", "device", "threads")]
        command += ["--smoke"] if options.smoke else []
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        parts[part] = json.loads(run.stdout.splitlines()[-1])
        logging.info("%s: %s", part, ", ".join(f"{name} {value:.3g}" for name, value in parts[part].items()))
    rows = summarise(parts)
    table = to_markdown(rows, parts["decode:ours_fp32"], parts["slabs"]["difference"])
    machine = {
        "device": torch.cuda.get_device_name() if options.device.startswith("cuda") else platform.processor(),
        "threads": options.threads,
        "torch": torch.__version__,
        "size": "smoke" if options.smoke else "paper",
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "sampling.json").write_text(
        json.dumps({"machine": machine, "parts": parts, "rows": rows}, indent=4)
    )
    (options.output / "sampling.md").write_text(table)
    logging.info("%s", table)


if __name__ == "__main__":
    main()
