"""The lateral ventricles, with their inferior horns, in a map of CSF shares.

Cerebrospinal fluid is one connected space in an image of 2 mm voxels, so a threshold cannot tell a ventricle from a
sulcus. Every CSF voxel therefore goes to the nearest seed along a path through CSF: ventricle seeds compete with seeds
of all other CSF. Paths through tissue cost more. Arrays are (D, H, W) in RAS order.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from brain_bundles.metrics.tissue import UnmeasurableError

VENTRICLE, OTHER = 1, 2
_CUBE = np.ones((3, 3, 3), bool)
_EDGE = 0.2
_SURFACE_MM = 8.0  # no lateral ventricle comes closer to the surface of the brain; sulci do


def compete(cost: np.ndarray, nodes: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Label of the nearest seed of each node, along face-connected paths of least summed cost.

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


def ventricular_fluid(image: np.ndarray, prior: np.ndarray) -> float:
    """Intensity of CSF: the median of the darkest tenth of the voxels where the atlas has the ventricles.

    "Darkest" means the mean over 3x3x3 voxels, so that places count and not noise. A tenth is used because in a
    ventricle of 5 mL most of the atlas's voxels are wall; in a large one it leaves out the choroid plexus.

    Raises:
        UnmeasurableError: if the prior leaves fewer than 30 voxels.
    """
    inside = prior > 0.5
    if inside.sum() < 30:
        raise UnmeasurableError("the atlas's ventricles fall outside of the volume")
    order = np.argsort(ndimage.uniform_filter(image, 3)[inside])
    return float(np.median(image[inside][order[: max(order.size // 10, 30)]]))


def label_csf(csf: np.ndarray, mask: np.ndarray, prior: np.ndarray, other: np.ndarray, spacing: float) -> np.ndarray:
    """Label every voxel that holds CSF as ``VENTRICLE`` or ``OTHER``.

    Args:
        csf: (D, H, W) share of CSF.
        mask: boolean (D, H, W), the brain.
        prior: (D, H, W) lateral ventricles of the aligned atlas.
        other: (D, H, W) other CSF of the aligned atlas.
        spacing: voxel edge, mm.

    Raises:
        UnmeasurableError: if there is no CSF where the atlas has the lateral ventricles.
    """
    depth = ndimage.distance_transform_edt(mask) * spacing
    fluid = mask & (csf > 0.5)
    seeds = np.where(fluid & ((other > 0.6) | (depth < _SURFACE_MM)), OTHER, 0).astype(np.int16)
    seeds[mask & (csf > 0.7) & (prior > 0.5)] = VENTRICLE
    if not (seeds == VENTRICLE).any():
        raise UnmeasurableError("no CSF where the atlas has the lateral ventricles")
    return compete(0.03 + (1 - csf) ** 2, (mask & (csf > 0.15)) | (seeds > 0), seeds)


def ventricle_fraction(csf: np.ndarray, labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of lateral ventricle in each voxel, with a sub-voxel edge.

    It is the share of CSF in labelled voxels that are mostly CSF and in their neighbours, stretched from [0.2, 0.8] to
    [0, 1]: at a symmetric edge this changes no sum, and the noise of the surrounding tissue does not add up.

    Args:
        csf: (D, H, W) share of CSF against grey matter.
        labels: (D, H, W) from :func:`label_csf`.
        mask: boolean (D, H, W), the brain.

    Returns:
        float (D, H, W) in [0, 1].
    """
    body = (labels == VENTRICLE) & (csf > 0.5)
    edge = ndimage.binary_dilation(body, _CUBE) & mask & (labels != OTHER)
    return np.where(edge, np.clip((csf - _EDGE) / (1 - 2 * _EDGE), 0, 1), 0.0)
