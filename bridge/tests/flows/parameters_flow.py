"""Parameters of every type, read in the first step and in the last."""

from metaflow import FlowSpec, JSONType, Parameter, step


def three(context):
    return len(context.parameter_name.split("_"))


class ParametersFlow(FlowSpec):
    """Keeps what it was given."""

    word = Parameter("word", default='it\'s a "word" with $signs, {braces} and ümläuts', help="Some text.")
    empty = Parameter("empty", default="", help="A text may be empty.")
    learning_rate = Parameter("learning-rate", default=0.1, help="Names may hold dashes.")
    epochs = Parameter("epochs", default=3)
    tiny = Parameter("tiny", default=-1e-05, help="Looks like an option when it stands alone.")
    big = Parameter("big", default=9007199254740993, help="More than a double can hold.")
    verbose = Parameter("verbose", default=True)
    quiet = Parameter("quiet", type=bool, default=False)
    dollars = Parameter("dollars", default="$$x$$ and $$$(HOME) and {{x}}", help="Nobody replaces these.")
    digits = Parameter("digits", type=JSONType, default='"007"', help="A text in JSON.")
    layers = Parameter("layers", type=JSONType, default='{"sizes": [8, 4], "name": "small", "dropout": null}')
    computed = Parameter("made_at_deployment", type=int, default=three)
    nothing = Parameter("nothing", help="Nobody has to give this one.")
    no_number = Parameter("no-number", type=int)
    columns = Parameter("columns", default="a,b,c", separator=",")

    @step
    def start(self):
        self.seen = {
            "word": self.word,
            "empty": self.empty,
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "tiny": self.tiny,
            "big": self.big,
            "verbose": self.verbose,
            "quiet": self.quiet,
            "dollars": self.dollars,
            "digits": self.digits,
            "layers": self.layers,
            "computed": self.computed,
            "nothing": self.nothing,
            "no_number": self.no_number,
            "columns": self.columns,
        }
        self.next(self.end)

    @step
    def end(self):
        self.types = {name: type(value).__name__ for name, value in self.seen.items()}
        self.steps = self.epochs * len(self.layers["sizes"]) + self.big


if __name__ == "__main__":
    ParametersFlow()
