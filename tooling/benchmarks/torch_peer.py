"""PyTorch's side of bench:cuda: the same sizes in float16 on the same GPU.

Reads {"warmUp", "runs", "copyBytes", "cases": [{"subject", "batch", "tokens", "heads", "headDim", "layers",
"intermediateDim"}]} from stdin, and prints {"torch", "cuda", "device", "copy", "cases": [{name: [ms, …] or a reason why
not}]} on stdout; "copy" is the same of copying so many bytes on the device. Times are of a synchronized call, from Python to
the end of the device's work, as ours are.
"""

import json
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import gelu, scaled_dot_product_attention
except ImportError as error:
    sys.exit(f"PyTorch 2.3 or later is not installed: {error}")


class Layer(nn.Module):
    """BERT's: x = norm(x + attention(x)), x = norm(x + contract(gelu(expand(x))))."""

    def __init__(self, heads, head_dim, intermediate_dim, attention):
        super().__init__()
        dim = heads * head_dim
        self.heads, self.head_dim, self.attention = heads, head_dim, attention
        self.query, self.key, self.value, self.output = (nn.Linear(dim, dim) for _ in range(4))
        self.expand, self.contract = nn.Linear(dim, intermediate_dim), nn.Linear(intermediate_dim, dim)
        self.norms = nn.ModuleList([nn.LayerNorm(dim, eps=1e-12) for _ in range(2)])

    def forward(self, x):
        def split(y):
            return y.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)

        attended = self.attention(split(self.query(x)), split(self.key(x)), split(self.value(x)))
        x = self.norms[0](x + self.output(attended.transpose(1, 2).flatten(2)))
        return self.norms[1](x + self.contract(gelu(self.expand(x))))


def eager_attention(query, key, value):
    """As transformers' eager attention: scores, softmax, product, each a kernel."""
    scores = torch.matmul(query, key.transpose(-1, -2)) * query.shape[-1] ** -0.5
    return torch.matmul(torch.softmax(scores, dim=-1), value)


def flash_attention(query, key, value):
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return scaled_dot_product_attention(query, key, value)


def timed(run, warm_up, runs):
    """Milliseconds of each run, or why there are none."""
    try:
        for _ in range(warm_up):
            run()
        torch.cuda.synchronize()
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            run()
            torch.cuda.synchronize()
            times.append(1e3 * (time.perf_counter() - start))
        return times
    except Exception as error:  # What does not run here is told, and the rest goes on.
        return str(error).split("\n")[0] or type(error).__name__
    finally:
        torch.cuda.empty_cache()


def measure(case, warm_up, runs):
    heads, head_dim, batch, tokens = (case[name] for name in ("heads", "headDim", "batch", "tokens"))
    own = {"device": "cuda", "dtype": torch.float16}
    attentions = {"eager": eager_attention, "flash": flash_attention}
    if case["subject"] == "attention":
        inputs = [torch.randn(batch, heads, tokens, head_dim, **own) for _ in range(3)]
        attentions["compile"] = torch.compile(eager_attention, mode="reduce-overhead")
        return {name: timed(lambda run=run: run(*inputs), warm_up, runs) for name, run in attentions.items()}
    x = torch.randn(batch, tokens, heads * head_dim, **own)
    results = {}
    for name, attention in attentions.items():
        layers = (Layer(heads, head_dim, case["intermediateDim"], attention) for _ in range(case["layers"]))
        model = nn.Sequential(*layers).to(**own).eval()
        results[name] = timed(lambda model=model: model(x), warm_up, runs)
        if name == "eager":
            # Compiling is lazy: what goes wrong in it is told by the first run.
            compiled = torch.compile(model, mode="reduce-overhead")
            results["compile"] = timed(lambda: compiled(x), max(warm_up, 3), runs)
    return results


def copy(byte_length, warm_up, runs):
    source, target = (torch.ones(byte_length, dtype=torch.uint8, device="cuda") for _ in range(2))
    return timed(lambda: target.copy_(source), warm_up, runs)


def main():
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no CUDA device")
    request = json.load(sys.stdin)
    with torch.inference_mode():
        cases = [measure(case, request["warmUp"], request["runs"]) for case in request["cases"]]
        copied = copy(request["copyBytes"], request["warmUp"], request["runs"]) if request["copyBytes"] else "not asked for"
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "device": torch.cuda.get_device_name()}
    json.dump({**versions, "copy": copied, "cases": cases}, sys.stdout)


main()
