"""PyTorch's side of a training step: a BERT encoder that classifies texts, in float32 on the CPU.

Reads {"threads", "warmUp", "runs", "model": {"layers", "heads", "headDim", "intermediateDim", "vocabulary", "positions",
"classes"}, "batches": [{"batch", "tokens"}]} from stdin, and prints {"torch", "build", "threads", "batches": [{"batch",
"tokens", "milliseconds": [ms, …], "tokensPerSecond" (of the median), "loss"}]} on stdout. A step is the forward pass, the
cross-entropy, the backward pass and AdamW over all parameters, on the same batch again and again; nothing is dropped out.
"""

import json
import os
import statistics
import sys
import time

# Debian's PyTorch has OpenMP's threads beside those of OpenBLAS: spinning, the ones take the cores from the others.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

try:
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy, gelu
except ImportError as error:
    sys.exit(f"PyTorch is not installed: {error}")


class Layer(nn.Module):
    """BERT's: x = norm(x + attention(x)), x = norm(x + contract(gelu(expand(x))))."""

    def __init__(self, heads, head_dim, intermediate_dim):
        super().__init__()
        dim = heads * head_dim
        self.heads, self.head_dim = heads, head_dim
        self.query, self.key, self.value, self.output = (nn.Linear(dim, dim) for _ in range(4))
        self.expand, self.contract = nn.Linear(dim, intermediate_dim), nn.Linear(intermediate_dim, dim)
        self.norms = nn.ModuleList([nn.LayerNorm(dim, eps=1e-12) for _ in range(2)])

    def attend(self, query, key, value):
        if hasattr(nn.functional, "scaled_dot_product_attention"):
            return nn.functional.scaled_dot_product_attention(query, key, value)
        scores = torch.matmul(query, key.transpose(-1, -2)) * self.head_dim**-0.5
        return torch.matmul(torch.softmax(scores, dim=-1), value)

    def forward(self, x):
        def split(y):
            return y.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)

        attended = self.attend(split(self.query(x)), split(self.key(x)), split(self.value(x)))
        x = self.norms[0](x + self.output(attended.transpose(1, 2).flatten(2)))
        return self.norms[1](x + self.contract(gelu(self.expand(x))))


class Classifier(nn.Module):
    """BertForSequenceClassification: embeddings, layers, a pooler on the first token, a linear layer."""

    def __init__(self, layers, heads, headDim, intermediateDim, vocabulary, positions, classes):
        super().__init__()
        dim = heads * headDim
        self.words, self.places, self.types = (nn.Embedding(rows, dim) for rows in (vocabulary, positions, 2))
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.layers = nn.ModuleList([Layer(heads, headDim, intermediateDim) for _ in range(layers)])
        self.pooler, self.classifier = nn.Linear(dim, dim), nn.Linear(dim, classes)

    def forward(self, ids):
        places = torch.arange(ids.shape[1])
        x = self.norm(self.words(ids) + self.places(places) + self.types(torch.zeros_like(ids)))
        for layer in self.layers:
            x = layer(x)
        return self.classifier(torch.tanh(self.pooler(x[:, 0])))


def measure(settings, batch, tokens):
    torch.manual_seed(1)
    model = Classifier(**settings["model"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids = torch.randint(settings["model"]["vocabulary"], (batch, tokens))
    labels = torch.randint(settings["model"]["classes"], (batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(model(ids), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    times = []
    for run in range(settings["warmUp"] + settings["runs"]):
        start = time.perf_counter()
        loss = step()
        if run >= settings["warmUp"]:
            times.append(1000 * (time.perf_counter() - start))
    speed = 1000 * batch * tokens / statistics.median(times)
    return {"batch": batch, "tokens": tokens, "milliseconds": times, "tokensPerSecond": speed, "loss": loss}


settings = json.load(sys.stdin)
torch.set_num_threads(settings["threads"])
batches = [measure(settings, **sizes) for sizes in settings["batches"]]
json.dump(
    {
        "torch": torch.__version__,
        "build": torch.__config__.show(),
        "threads": torch.get_num_threads(),
        "batches": batches,
    },
    sys.stdout,
)
