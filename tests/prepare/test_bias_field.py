import numpy as np
from brain_bundles.prepare.bias_field import correct_bias_field
from brain_bundles.prepare.volume import Volume

from .heads import head


def test_a_smooth_field_is_taken_away_and_the_mean_stays():
    image, affine, mask = head("T1w", spacing=4.0, shape=(48, 60, 60))
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij")
    field = np.exp(0.5 * x - 0.4 * y * z)
    made = correct_bias_field(Volume(np.float32(image * field), affine), mask)
    ratio = made.data[mask] / np.maximum(image[mask], 1)
    before = field[mask]
    assert ratio.std() / ratio.mean() < 0.45 * before.std() / before.mean()
    np.testing.assert_allclose(made.data[mask].mean(), (image * field)[mask].mean(), rtol=1e-3)
