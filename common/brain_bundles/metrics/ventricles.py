"""The lateral ventricles, with their inferior horns, in a map of CSF shares.

Cerebrospinal fluid is one connected space in an image of 2 mm voxels, so a threshold cannot tell a ventricle from a
sulcus. Every CSF voxel is therefore given to the nearest seed along a path through CSF, where ventricle seeds and seeds
of all other CSF compete; paths through tissue cost more. Arrays are (D, H, W) in RAS order.
"""

from __future__ import annotations

import numpy as np

from brain_bundles.metrics.optional import from_phantom_extra
from brain_bundles.metrics.tissue import UnmeasurableError
from brain_bundles.metrics.ventricle_atlas import VentricleAtlas, align_atlas, warp

ndimage = from_phantom_extra("scipy.ndimage")
sparse = from_phantom_extra("scipy.sparse")
csgraph = from_phantom_extra("scipy.sparse.csgraph")

VENTRICLE, OTHER = 1, 2
_CUBE = np.ones((3, 3, 3), bool)
_SURFACE_MM = 8.0  # no lateral ventricle comes closer to the surface of the brain; sulci do


def compete(cost: np.ndarray, nodes: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Label of the seed that each node is nearest to, along face-connected paths of least summed cost.

    Args:
        cost: (D, H, W), positive.
        nodes: boolean (D, H, W), where paths may run.
        seeds: integer (D, H, W), 0 where there is none.

    Returns:
        integer (D, H, W): labels of ``seeds``, 0 outside the nodes and where no seed is reached.
    """
    index = np.full(nodes.shape, -1, np.int64)
    count = int(nodes.sum())
    index[nodes] = np.arange(count)
    node_cost, node_seed = cost[nodes].astype(np.float64), seeds[nodes]
    starts, ends = [], []
    for axis in range(3):
        first = np.moveaxis(index, axis, 0)[:-1].ravel()
        second = np.moveaxis(index, axis, 0)[1:].ravel()
        both = (first >= 0) & (second >= 0)
        starts.append(first[both])
        ends.append(second[both])
    start, end = np.concatenate(starts), np.concatenate(ends)
    graph = sparse.coo_matrix((node_cost[start] + node_cost[end], (start, end)), shape=(count, count)).tocsr()
    labels = np.zeros(nodes.shape, np.int16)
    sources = np.flatnonzero(node_seed)
    if sources.size:
        _, _, nearest = csgraph.dijkstra(
            graph, directed=False, indices=sources, min_only=True, return_predecessors=True
        )
        labels[nodes] = np.where(nearest >= 0, node_seed[np.maximum(nearest, 0)], 0)
    return labels


def label_csf(csf: np.ndarray, mask: np.ndarray, atlas: VentricleAtlas) -> np.ndarray:
    """Every voxel that holds CSF, labelled ``VENTRICLE`` or ``OTHER``.

    Args:
        csf: (D, H, W) share of CSF at the atlas's spacing.
        mask: boolean (D, H, W), the brain.
        atlas: the prior.

    Raises:
        UnmeasurableError: if the atlas cannot be aligned, or no CSF lies where ventricles are.
    """
    matrix = align_atlas(np.where(mask, 1 - csf, 0).astype(np.float32), atlas)
    prior, other = warp(atlas.ventricles, matrix, csf.shape), warp(atlas.other_csf, matrix, csf.shape)
    depth = ndimage.distance_transform_edt(mask) * atlas.spacing
    fluid = mask & (csf > 0.5)
    seeds = np.where(fluid & ((other > 0.6) | (depth < _SURFACE_MM)), OTHER, 0).astype(np.int16)
    seeds[mask & (csf > 0.7) & (prior > 0.5)] = VENTRICLE
    if not (seeds == VENTRICLE).any():
        raise UnmeasurableError("no CSF where the atlas has the lateral ventricles")
    return compete(0.03 + (1 - csf) ** 2, (mask & (csf > 0.15)) | (seeds > 0), seeds)


def ventricle_fraction(image: np.ndarray, csf: np.ndarray, labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of lateral ventricle in each voxel, with a sub-voxel edge.

    At the edge a voxel mixes CSF with the tissue that is there, mostly white matter, so its share is read between the
    intensity of the ventricle's inside and that of the pure tissue around, and not between CSF and grey matter.

    Args:
        image: (D, H, W) intensities.
        csf: (D, H, W) share of CSF against grey matter.
        labels: (D, H, W) from :func:`label_csf`.
        mask: boolean (D, H, W), the brain.

    Returns:
        float (D, H, W) in [0, 1].
    """
    body = (labels == VENTRICLE) & (csf > 0.5)
    edge = ndimage.binary_dilation(body, _CUBE) & mask & (labels != OTHER)
    core = ndimage.binary_erosion(body)
    fluid = float(np.median(image[core if core.sum() >= 30 else body]))
    pure = mask & (csf < 0.2) & ~ndimage.binary_dilation(csf > 0.3)
    weight = ndimage.gaussian_filter(pure.astype(np.float32), 1.5)
    around = ndimage.gaussian_filter(np.where(pure, image, 0).astype(np.float32), 1.5) / (weight + 1e-3)
    share = np.clip((around - image) / np.maximum(around - fluid, 1e-6), 0, 1)
    return np.where(edge, np.where(weight > 0.01, share, csf), 0.0)
