"""Networks on top of MONAI's, for all bundles."""

from brain_bundles.networks.channel_norm import ChannelNorm, use_norm
from brain_bundles.networks.check_spatial_size import check_spatial_size
from brain_bundles.networks.cycle_generators import CycleGenerators, CycleOutput, DomainDiscriminators
from brain_bundles.networks.image_space import ImageSpace
from brain_bundles.networks.latent_autoencoder_kl import LatentAutoencoderKL
from brain_bundles.networks.latent_shape import check_grid, latent_shape
from brain_bundles.networks.latent_statistics import LatentStatistics
from brain_bundles.networks.latent_vq_autoencoder import LatentVQAutoencoder
from brain_bundles.networks.linear_shortcut import LinearShortcut
from brain_bundles.networks.preconditioning import VelocityPreconditioning, measure_preconditioning
from brain_bundles.networks.slab_decode import decode_in_slabs
from brain_bundles.networks.slicewise import SlicewiseAutoencoder
from brain_bundles.networks.vector_quantiser import VectorQuantiser

__all__ = [
    "ChannelNorm",
    "CycleGenerators",
    "CycleOutput",
    "DomainDiscriminators",
    "ImageSpace",
    "LatentAutoencoderKL",
    "LatentStatistics",
    "LatentVQAutoencoder",
    "LinearShortcut",
    "SlicewiseAutoencoder",
    "VectorQuantiser",
    "VelocityPreconditioning",
    "check_grid",
    "check_spatial_size",
    "decode_in_slabs",
    "latent_shape",
    "measure_preconditioning",
    "use_norm",
]
