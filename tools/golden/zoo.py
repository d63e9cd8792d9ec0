"""dsl/zoo/index: variant -> how cnnc is told to compile it."""
import os

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))


def variants():
    """{variant: list of arguments for cnnc, beginning with the .net file}, in the index's order."""
    result = {}
    with open(os.path.join(ROOT, "dsl/zoo/index"), encoding="utf-8") as index:
        for line in index:
            if line.startswith("#") or not line.strip():
                continue
            name, file, net, *settings = line.split()
            arguments = [os.path.join(ROOT, "dsl/zoo", file), "--net=" + net]
            for setting in settings:
                arguments += ["-D", setting]
            if name.endswith("+aux"):
                arguments.append("--with-training-outputs")
            result[name] = arguments
    return result
