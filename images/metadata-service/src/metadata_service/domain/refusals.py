"""The reasons why a request is not answered with what it asked for.

Each is one sentence for the person at the other end. Storage raises them in place of its driver's errors, so that no
layer above knows the driver.
"""


class Refusal(Exception):
    """The base of all reasons. `str()` of it is the sentence that the client is told."""


class Malformed(Refusal):
    """The request says something that cannot be understood or stored."""


class TooLarge(Refusal):
    """The body is larger than the service takes."""


class TooSlow(Refusal):
    """The body did not arrive in time."""


class NotFound(Refusal):
    """There is no such object."""


class AlreadyThere(Refusal):
    """An object of that name was recorded before. The client then asks for it."""


class Protected(Refusal):
    """The request is understood, but what it asks is never done."""


class Unknown(Refusal):
    """The caller did not say who it is, or that is not true."""


class Forbidden(Refusal):
    """The caller is known, and may not do this."""


class TooOften(Refusal):
    """The caller asks more often than it may."""


class StorageAway(Refusal):
    """The database cannot be asked now. The same request may succeed later."""


class StorageBusy(StorageAway):
    """The database is there, but could not do this now."""
