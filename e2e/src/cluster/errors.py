"""The two ways in which the harness ends without a traceback."""


class Refused(Exception):
    """The user's: what was asked for cannot be done. The text says where, what is wrong and what to do. Exit code 2."""


class Failed(Exception):
    """The world's: something outside did not work, tried again where that helps. The text names a log. Exit code 1."""
