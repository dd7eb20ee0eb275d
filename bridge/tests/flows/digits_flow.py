"""The demo: learns to read handwritten digits with several settings of a model at once, and keeps the best.

    python digits_flow.py run
    python digits_flow.py kubeflow-pipelines create
    python digits_flow.py kubeflow-pipelines trigger --gammas '[0.001, 0.01]'

Needs scikit-learn and matplotlib. The pictures come with scikit-learn: nothing is downloaded.
"""

from metaflow import FlowSpec, JSONType, Parameter, card, current, step
from metaflow.cards import Image, Markdown, Table


class DigitsFlow(FlowSpec):
    """Trains one support vector machine for each gamma, picks the one that reads unseen digits best, and tests it."""

    gammas = Parameter(
        "gammas", type=JSONType, default="[0.0001, 0.0005, 0.001, 0.005]", help="Settings to try, one model for each."
    )
    penalty = Parameter("penalty", default=1.0, help="The C of the support vector machine.")
    seed = Parameter("seed", default=7, help="How the pictures are shuffled.")

    @step
    def start(self):
        """Shuffle the pictures: half to learn from, a quarter to choose by, a quarter to test with."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        learn, rest, self.learn_labels, rest_labels = train_test_split(
            digits.data, digits.target, test_size=0.5, random_state=self.seed, stratify=digits.target
        )
        self.learn_pictures = learn
        self.choose_pictures, self.test_pictures, self.choose_labels, self.test_labels = train_test_split(
            rest, rest_labels, test_size=0.5, random_state=self.seed, stratify=rest_labels
        )
        self.settings = [{"gamma": gamma, "C": self.penalty} for gamma in self.gammas]
        self.next(self.train, foreach="settings")

    @step
    def train(self):
        """Train one model."""
        from sklearn.svm import SVC

        self.setting = self.input
        self.model = SVC(**self.setting).fit(self.learn_pictures, self.learn_labels)
        self.accuracy = float(self.model.score(self.choose_pictures, self.choose_labels))
        print(f"{self.setting}: {self.accuracy:.4f}")
        self.next(self.choose)

    @card(type="blank")
    @step
    def choose(self, inputs):
        """Keep the model that was right most often, and show how all of them did."""
        best = max(inputs, key=lambda one: one.accuracy)
        self.results = [(one.setting["gamma"], one.accuracy) for one in inputs]
        self.model = best.model
        self.setting = best.setting
        self.merge_artifacts(inputs, include=["test_pictures", "test_labels"])
        current.card.append(Markdown(f"# Best gamma: {self.setting['gamma']}"))
        current.card.append(self.plot())
        rows = [[str(gamma), f"{accuracy:.2%}"] for gamma, accuracy in self.results]
        current.card.append(Table(rows, headers=["gamma", "accuracy"]))
        self.next(self.end)

    @step
    def end(self):
        """Test the chosen model on pictures that it has not seen."""
        read = self.model.predict(self.test_pictures)
        self.accuracy = float((read == self.test_labels).mean())
        pairs = zip(self.test_labels, read, strict=True)
        self.misread = [(int(label), int(wrong)) for label, wrong in pairs if label != wrong]
        gamma, count = self.setting["gamma"], len(self.misread)
        self.report = f"gamma {gamma}: accuracy {self.accuracy:.4f}, {count} of {len(read)} digits misread"
        print(self.report)

    def plot(self):
        """The accuracies as a picture for the card."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot([gamma for gamma, _ in self.results], [accuracy for _, accuracy in self.results], marker="o")
        axes.set(xscale="log", xlabel="gamma", ylabel="accuracy")
        axes.grid(alpha=0.3)
        return Image.from_matplotlib(figure)


if __name__ == "__main__":
    DigitsFlow()
