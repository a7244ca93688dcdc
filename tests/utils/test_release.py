import brain_bundles
import pytest
from brain_bundles.utils import require_version

VERSION = brain_bundles.__version__


def test_bundles_of_different_releases_do_not_share_a_process():
    require_version(VERSION)
    with pytest.raises(RuntimeError, match=rf"X
        require_version("7.0.0")
