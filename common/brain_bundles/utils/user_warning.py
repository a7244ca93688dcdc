"""The category of this package's warnings, so that one can silence or forbid them apart from everyone else's."""


class BrainBundlesWarning(UserWarning):
    """What a user should look at although the work goes on, such as a brain that does not fit into the grid.

    ``warnings.simplefilter("error", BrainBundlesWarning)`` stops at the first one instead.
    """
