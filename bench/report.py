"""Tables and charts of what bench.py measured: README.md, results.json, and one chart for each number of threads."""
import json
import math
import os

from packages import Fault

COLOURS = {"onnxruntime": "#4c78a8", "openvino": "#72b7b2", "ncnn": "#eeca3b", "pytorch": "#b279a2"}
OUR_COLOURS = ["#e45756", "#f58518", "#9d755d", "#ff9da6"]
NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ncnn": "ncnn", "pytorch": "PyTorch"}


def is_ours(engine):
    return engine.startswith("cnnc ")


def engines_of(results, threads):
    """All engines that ran some net, ours first, else in the order asked for."""
    found = []
    for net in results["nets"]:
        found += [engine for engine in net["threads"].get(threads, {}) if engine not in found]
    others = [engine for engine in results["engines"] if engine in found]
    return [engine for engine in found if is_ours(engine)] + others


def best_other(figures, key="min"):
    others = [value[key] for engine, value in figures.items() if not is_ours(engine)]
    return min(others) if others else None


def ratio(figures, ours, key="min"):
    """Our time / the best other engine's; None where one is missing."""
    best = best_other(figures, key)
    return figures[ours][key] / best if ours in figures and best else None


def mean_ratio(results, threads, ours, key="min"):
    ratios = [ratio(net["threads"].get(threads, {}), ours, key) for net in results["nets"]]
    ratios = [value for value in ratios if value is not None]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def thread_counts(results):
    counts = []
    for net in results["nets"]:
        counts += [count for count in net["threads"] if count not in counts]
    return sorted(counts, key=int)


def plural(threads):
    return "1 thread" if threads == "1" else f"{threads} threads"


def milliseconds(value):
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def or_dash(value, text):
    return "–" if value is None else text(value)


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + " --- |" + " ---: |" * (len(head) - 1)] + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def name_of(engine):
    return NAMES.get(engine, engine)


def time_table(results, threads):
    engines = engines_of(results, threads)
    ours = [engine for engine in engines if is_ours(engine)]
    rows = []
    for net in results["nets"]:
        figures = net["threads"].get(threads, {})
        cells = [or_dash(figures.get(engine), lambda value: f"{milliseconds(value['min'])} / {milliseconds(value['median'])}") for engine in engines]
        ratios = [or_dash(ratio(figures, engine), lambda value: f"{value:.2f}") for engine in ours]
        medians = [or_dash(ratio(figures, engine, "median"), lambda value: f"{value:.2f}") for engine in ours]
        rows.append([net["net"], *cells, *[f"**{a}** / {b}" for a, b in zip(ratios, medians)], or_dash(net["others"].get(threads), lambda value: f"{100 * value:.0f} %")])
    means = [or_dash(mean_ratio(results, threads, engine), lambda value: f"{value:.2f}") for engine in ours]
    medians = [or_dash(mean_ratio(results, threads, engine, "median"), lambda value: f"{value:.2f}") for engine in ours]
    rows.append(["geometric mean", *["" for _ in engines], *[f"**{a}** / {b}" for a, b in zip(means, medians)], ""])
    ratio_heads = ["ratio"] if len(ours) == 1 else [f"ratio {engine.removeprefix('cnnc ')}" for engine in ours]
    return table(["network", *map(name_of, engines), *ratio_heads, "noise"], rows)


def start_table(results):
    engines = [engine for net in results["nets"] for engine in net["start"]]
    engines = sorted(set(engines), key=lambda engine: (not is_ours(engine), engines.index(engine)))
    def cell(value):
        alone = f" ({value['first_ms'] - value['import_ms']:.0f})" if value["import_ms"] else ""
        return f"{value['first_ms']:.0f}{alone}" if value["first_ms"] >= 10 else f"{value['first_ms']:.1f}{alone}"
    return table(["network", *map(name_of, engines)],
                 [[net["net"], *[or_dash(net["start"].get(engine), cell) for engine in engines]] for net in results["nets"]])


def memory_table(results):
    engines = [engine for net in results["nets"] for engine in net["start"]]
    engines = sorted(set(engines), key=lambda engine: (not is_ours(engine), engines.index(engine)))
    mib = lambda count: f"{count / 2**20:.0f}" if count >= 10 * 2**20 else f"{count / 2**20:.1f}"
    def cell(value):
        return mib(value["peak_bytes"]) + (f" ({mib(value['peak_bytes'] - value['import_bytes'])})" if value["import_bytes"] else "")
    rows = []
    for net in results["nets"]:
        first = next(iter(net["ours"].values()), None)
        rows.append([net["net"], or_dash(first, lambda value: mib(value["weights"])), or_dash(first, lambda value: mib(value["arena"])),
                     *[or_dash(net["start"].get(engine), cell) for engine in engines]])
    return table(["network", "weights", "arena", *map(name_of, engines)], rows)


def code_table(results):
    rows = [[net["net"], engine, str(value["lines"]), f"{value['compile_s']:.1f}"] for net in results["nets"] for engine, value in net["ours"].items()]
    return table(["network", "code", "lines", "seconds of the C compiler"], rows)


def markdown(results):
    machine, counts = results["machine"], thread_counts(results)
    lines = ["# Side by side", "", f"Written by `make bench`, {machine['date']}.", "",
             f"- Machine: {machine['cpu']}, {machine['cpus']} processors, {machine['system']}; load before the first net {machine['load']:.2f}",
             *[f"- {name}: {version}" for name, version in machine["versions"].items()], ""]
    lines += [f"Milliseconds for one image in float32, least / middle of at least {machine['rounds'] * machine['runs']} runs in {machine['rounds']} rounds;",
              "one engine runs at a time, in alternating order. Ratio: our time divided by that of the fastest other engine, of least and of",
              "middle times; below 1 the generated code is faster. Outputs agreed within 1e-4 of the largest value before anything was timed.",
              "Noise: the processors' time that other programs of the machine took in the busiest round.", ""]
    for threads in counts:
        lines += [f"## {plural(threads)[0].upper()}{plural(threads)[1:]}", "", *time_table(results, threads)]
        if results.get("charts"):
            lines += [f"![{plural(threads)}]({chart_name(threads)})", ""]
    lines += ["## First inference", "",
              f"Milliseconds from the start of the process to the first outputs, {plural(counts[0]) if counts else ''}, files in the cache; in brackets",
              "without starting Python and importing the engine.", "", *start_table(results),
              "## Memory", "",
              "MiB. Weights and arena are all that the generated code uses; then the peak of resident memory of the whole process, in brackets",
              "above what Python and the imported engine take.", "", *memory_table(results),
              "## Code", "", *code_table(results)]
    worst = {}
    for net in results["nets"]:
        for engine, value in net["differences"].items():
            worst[engine] = max(worst.get(engine, (0.0, "")), (value, net["net"]))
    if worst:
        lines += ["## Outputs", "", "Largest difference from the first of ours, of the largest value.", "",
                  *table(["engine", "difference", "network"], [[name_of(engine), f"{value:.1e}", net] for engine, (value, net) in worst.items()])]
    notes = [f"- {net['net']}: {note}" for net in results["nets"] for note in net["notes"]]
    if notes:
        lines += ["## Notes", "", *notes, ""]
    return "\n".join(lines)


def chart_name(threads):
    return f"{plural(threads).replace(' ', '-')}.svg"


def draw(results, threads, path):
    """Bars of time by the fastest other engine's, one group a net; longer than LIMIT are cut and carry their number."""
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "cnnc", "font.size": 9})
    from matplotlib import pyplot
    limit = 3.0
    nets = [net for net in results["nets"] if best_other(net["threads"].get(threads, {}))]
    engines = engines_of(results, threads)
    if not nets:
        return
    height = 0.8 / len(engines)
    figure, axes = pyplot.subplots(figsize=(9, 1.4 + 0.16 * len(nets) * (len(engines) + 1)))
    ours = [engine for engine in engines if is_ours(engine)]
    for position, engine in enumerate(engines):
        colour = OUR_COLOURS[ours.index(engine) % len(OUR_COLOURS)] if engine in ours else COLOURS.get(engine, "#999999")
        places, values = [], []
        for row, net in enumerate(nets):
            figures = net["threads"][threads]
            if engine in figures:
                places.append(row - 0.4 + height * (position + 0.5))
                values.append(figures[engine]["min"] / best_other(figures))
        axes.barh(places, [min(value, limit) for value in values], height=0.92 * height, color=colour, label=name_of(engine))
        for place, value in zip(places, values):
            if value > limit or engine in ours:
                axes.text(min(value, limit) + 0.01, place, f"{value:.2f}", va="center", fontsize=7)
    axes.axvline(1.0, color="#444444", linewidth=0.8)
    axes.set_yticks(range(len(nets)), [net["net"] for net in nets])
    axes.invert_yaxis()
    axes.set_xlim(0, limit * 1.06)
    axes.set_xlabel("time, as a multiple of the fastest other engine's: shorter is better")
    axes.set_title(f"{plural(threads)}, {results['machine']['cpu']}, float32, one image", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.8 / figure.get_figheight()), ncol=len(engines), frameon=False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None} if path.endswith(".svg") else None)
    pyplot.close(figure)


def read(folder):
    """The nets of results.json; none where there is no such file. A Fault where it cannot be read."""
    path = os.path.join(folder, "results.json")
    if not os.path.exists(path):
        return []
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)["nets"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise Fault(f"{path} is not what bench wrote ({fault}): remove it, or do without UPDATE=1") from None


def write(results, folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "results.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    try:
        for threads in thread_counts(results):
            draw(results, threads, os.path.join(folder, chart_name(threads)))
        results["charts"] = True
    except ImportError:
        results["charts"] = False
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
        file.write(markdown(results))


def summary(results):
    lines = []
    for threads in thread_counts(results):
        for engine in engines_of(results, threads):
            if is_ours(engine):
                mean = mean_ratio(results, threads, engine)
                lines.append(f"{plural(threads)}: {engine} takes {mean:.2f} of the time of the best other engine (geometric mean)" if mean else
                             f"{plural(threads)}: no other engine ran")
    return "\n".join(lines)
