import brain_bundles
import pytest
from brain_bundles.utils import require_version

VERSION = brain_bundles.__version__


def test_bundles_of_different_releases_do_not_share_a_process():
    require_version(VERSION)
    message = rf"this bundle belongs to release 7\.0\.0, but .* belongs to release {VERSION}"
    with pytest.raises(RuntimeError, match=message):
        require_version("7.0.0")
