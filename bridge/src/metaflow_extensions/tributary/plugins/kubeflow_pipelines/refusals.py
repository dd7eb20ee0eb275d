"""The user's errors: said in one sentence each, with exit code 2 and no traceback."""

from metaflow._vendor import click


class Refused(click.ClickException):  # type: ignore[misc]
    """What was asked for cannot be done.

    The message says where, what is wrong and what to do; several problems are several lines.
    """

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print the message to stderr, as it is."""
        click.echo(self.format_message(), err=True)
