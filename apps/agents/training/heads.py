"""The student: an encoder, and a head that answers a query from what a demonstration showed.
All three heads keep the encoder, the pairs and the queries; they differ in how they read. Used by train.py."""

import torch
from torch import nn

WIDTH = 128
KEY_SIZE = 64
ALPHA_RELATIVE = 1e-4


class SpdSolve(torch.autograd.Function):
    """X = A^-1 B for symmetric positive A. One factorisation serves both directions:
    dB = A^-1 dX, dA = -dB X^T."""

    @staticmethod
    def forward(ctx, a, b):
        factor = torch.linalg.cholesky(a)
        x = torch.cholesky_solve(b, factor)
        ctx.save_for_backward(factor, x)
        return x

    @staticmethod
    def backward(ctx, grad):
        factor, x = ctx.saved_tensors
        grad_b = torch.cholesky_solve(grad, factor)
        return -grad_b @ x.transpose(-1, -2), grad_b


ACTIVATIONS = {"silu": nn.SiLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def encoder(kind):
    return nn.Sequential(nn.Linear(5, WIDTH), ACTIVATIONS[kind](), nn.Linear(WIDTH, WIDTH),
                         ACTIVATIONS[kind](), nn.Linear(WIDTH, KEY_SIZE))


def intention(keys, values):
    """W = (K^T K + alpha I)^-1 K^T V; reads W^T q."""
    gram = keys.transpose(-1, -2) @ keys
    alpha = ALPHA_RELATIVE * gram.diagonal(dim1=-2, dim2=-1).mean(-1)
    ridge = alpha[..., None, None] * torch.eye(keys.shape[-1], dtype=keys.dtype)
    weights = SpdSolve.apply(gram + ridge, keys.transpose(-1, -2) @ values)
    return lambda queries: queries @ weights


FEATURES = {
    "identity": lambda x: x,
    "elu1": lambda x: nn.functional.elu(x) + 1,
    "exp": torch.exp,
    "relu": torch.relu,
}


def linear_attention(feature="identity", normalize=False, scale=KEY_SIZE ** -0.5, epsilon=1e-10):
    """S = sum f(k) v^T; reads scale S^T f(q), over scale z . f(q) + epsilon when normalised."""
    f = FEATURES[feature]

    def read(keys, values):
        features = f(keys)
        state = features.transpose(-1, -2) @ values
        z = features.sum(-2, keepdim=True).transpose(-1, -2)

        def answer(queries):
            q = f(queries)
            out = scale * (q @ state)
            return out / (scale * (q @ z) + epsilon) if normalize else out
        return answer
    return read


def softmax_attention(keys, values):
    """softmax(q K^T D^-1/2) V."""
    def answer(queries):
        return torch.softmax(queries @ keys.transpose(-1, -2) * KEY_SIZE ** -0.5, -1) @ values
    return answer
