"""Files that travel with the flow: a text in an encoding of its own, bytes, and one that nobody gives."""

from metaflow import FlowSpec, IncludeFile, step


def beside(context):
    return "include_file_flow.bin"


class IncludeFileFlow(FlowSpec):
    """Reads its files in the first step and in the last."""

    greeting = IncludeFile("greeting", default="include_file_flow.txt", encoding="latin-1", help="Some text.")
    picture = IncludeFile("some-picture", default=beside, is_text=False)
    lines = IncludeFile("lines", default="include_file_flow.txt", encoding="latin-1", parser=str.splitlines)
    nothing = IncludeFile("nothing")

    @step
    def start(self):
        self.words = self.greeting.split()
        self.next(self.end)

    @step
    def end(self):
        self.seen = (self.greeting, self.picture, self.lines, self.nothing, len(self.words))


if __name__ == "__main__":
    IncludeFileFlow()
