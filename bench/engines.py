#!/usr/bin/env python3
"""The other engines' side of bench.py: loads one network once, computes once, then times runs on command.

Usage: engines.py ENGINE FOLDER THREADS OUTPUT_PREFIX INPUT...    (inputs: raw files; output i goes to OUTPUT_PREFIX<i>)
FOLDER holds model.onnx and what pnnx made of it. The protocol is that of worker.c; `ready` also tells the clock when the
engine's packages were imported and the resident bytes before that model.

Every engine computes in float32, with the threads it is given, and is called in the way that costs least: inputs and
outputs are bound once where the engine can.
"""
import os
import sys
import time

WARMING = 2
RUNS_MAX = 4096


class OnnxRuntime:
    def __init__(self):
        import onnxruntime
        self.module = onnxruntime

    def load(self, folder, threads, paths):
        import numpy as np
        settings = self.module.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        self.session = self.module.InferenceSession(os.path.join(folder, "model.onnx"), settings, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.results = []
        for port, path in zip(self.session.get_inputs(), paths, strict=True):
            kind = np.uint8 if port.type == "tensor(uint8)" else np.float32
            self.binding.bind_cpu_input(port.name, np.fromfile(path, kind).reshape(port.shape))
        for port in self.session.get_outputs():
            kind = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}[port.type]
            result = np.empty(port.shape, kind)
            self.binding.bind_output(port.name, "cpu", 0, kind, result.shape, result.ctypes.data)
            self.results.append(result)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return self.results


class OpenVino:
    def __init__(self):
        import openvino
        self.module = openvino

    def load(self, folder, threads, paths):
        import numpy as np
        core = self.module.Core()
        # bfloat16 is the default on machines that have it.
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
        compiled = core.compile_model(os.path.join(folder, "model.onnx"), "CPU", settings)
        self.request = compiled.create_infer_request()
        self.inputs = []  # the tensors share their memory
        for i, (port, path) in enumerate(zip(compiled.inputs, paths, strict=True)):
            kind = np.uint8 if "u8" in str(port.get_element_type()) or "uint8" in str(port.get_element_type()) else np.float32
            self.inputs.append(np.fromfile(path, kind).reshape(list(port.get_shape())))
            self.request.set_input_tensor(i, self.module.Tensor(self.inputs[-1], shared_memory=True))
        self.count = len(compiled.outputs)

    def run(self):
        self.request.start_async()  # with wait(), cheaper from Python than infer(), which wraps its results
        self.request.wait()

    def outputs(self):
        return [self.request.get_output_tensor(i).data for i in range(self.count)]


class Ncnn:
    def __init__(self):
        import ncnn
        self.module = ncnn

    def load(self, folder, threads, paths):
        import numpy as np
        self.net = self.module.Net()
        option = self.net.opt
        option.num_threads = threads
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage",
                     "use_vulkan_compute"):
            if hasattr(option, name):
                setattr(option, name, False)
        if self.net.load_param(os.path.join(folder, "model.ncnn.param")) != 0 or self.net.load_model(os.path.join(folder, "model.ncnn.bin")) != 0:
            raise RuntimeError("cannot load what pnnx wrote")
        shapes = read_shapes(folder)
        if any(kind != "float32" for _, kind in shapes):
            raise RuntimeError("takes float32 inputs only")
        self.names, self.results = self.net.output_names(), []
        self.arrays = [np.fromfile(path, np.float32).reshape(shape[1:]) for path, (shape, _) in zip(paths, shapes, strict=True)]
        # A Mat of an array borrows its memory, and has no gaps between channels; clone() makes those that ncnn wants.
        self.inputs = [(name, self.module.Mat(array).clone()) for name, array in zip(self.net.input_names(), self.arrays, strict=True)]

    def run(self):
        extractor = self.net.create_extractor()
        for name, value in self.inputs:
            extractor.input(name, value)
        self.results = [extractor.extract(name)[1] for name in self.names]

    def outputs(self):
        import numpy as np
        return [np.array(value) for value in self.results]


class PyTorch:
    def __init__(self):
        import warnings
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and the fastest way in that is still quick to build
        import torch
        self.module = torch

    def load(self, folder, threads, paths):
        import numpy as np
        torch = self.module
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        os.chdir(folder)  # model_pnnx.py reads model.pnnx.bin
        sys.path.insert(0, ".")
        import model_pnnx
        self.inputs = [torch.from_numpy(np.fromfile(path, kind).reshape(shape)) for path, (shape, kind) in zip(paths, read_shapes("."), strict=True)]
        net = torch.jit.trace(model_pnnx.Model().float().eval(), tuple(self.inputs))
        self.net = torch.jit.optimize_for_inference(torch.jit.freeze(net))
        self.result = None

    def run(self):
        self.result = self.net(*self.inputs)

    def outputs(self):
        results = [self.result] if self.module.is_tensor(self.result) else self.result
        return [value.numpy() for value in results]


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "ncnn": Ncnn, "pytorch": PyTorch}


def read_shapes(folder):
    """[(shape, numpy's name of the type)] of the inputs."""
    with open(os.path.join(folder, "inputs.txt"), encoding="utf-8") as file:
        return [([int(size) for size in line.split()[1:]], line.split()[0]) for line in file]


def resident_bytes():
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main():
    name, folder, threads, prefix, *paths = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")  # whatever else an engine prints goes to standard error
    os.dup2(2, 1)
    import numpy as np
    engine = ENGINES[name]()
    imported, imported_bytes = time.monotonic_ns(), resident_bytes()
    prefix, paths = os.path.abspath(prefix), [os.path.abspath(path) for path in paths]
    engine.load(os.path.abspath(folder), int(threads), paths)
    engine.run()
    print("ready", time.monotonic_ns(), imported, imported_bytes, file=answers)
    for i, value in enumerate(engine.outputs()):
        np.ascontiguousarray(value).tofile(f"{prefix}{i}")
    print("written", file=answers, flush=True)
    run, clock = engine.run, time.perf_counter_ns
    for line in sys.stdin:
        _, runs, seconds = line.split()
        for _ in range(WARMING):
            run()
        runs, end, times = int(runs), clock() + int(1e9 * float(seconds)), []
        while len(times) < RUNS_MAX and (len(times) < runs or clock() < end):
            start = clock()
            run()
            times.append(clock() - start)
        print(*times, file=answers, flush=True)


if __name__ == "__main__":
    main()
