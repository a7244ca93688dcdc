"""Category of this package's warnings, so that users can silence or forbid them separately."""


class BrainBundlesWarning(UserWarning):
    """Problem that a user should look at, although the run continues, such as a brain that does not fit into the grid.

    ``warnings.simplefilter("error", BrainBundlesWarning)`` stops at the first one instead.
    """
