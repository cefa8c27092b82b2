"""Why a load did not happen. Each text is one sentence or two, fit for the operator's terminal."""


class LoadError(Exception):
    """A load that did not happen. The generation that answers is untouched."""


class LoadRefused(LoadError):
    """The file, or the moment, is not fit for a load: something for the operator to change."""


class LoadFailed(LoadError):
    """Redis or the disk failed on the way: the same load may work later."""
