// Traces of attention: the q, k and v that a layer met, as files and as exact softmax attention answers them. Used by
// the subcommands `trace` and `compare`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gramian::app {

/// q, k: [B, T, H, D]; v: [B, T, H, E].
struct AttentionTrace {
    std::string name; // of the node, or empty
    uint32_t batch = 0;
    uint32_t tokens = 0;
    uint32_t heads = 0;
    uint32_t width = 0;   // D
    uint32_t columns = 0; // E
    std::vector<float> q, k, v;

    [[nodiscard]] const float* query(uint32_t b, uint32_t t, uint32_t h) const
    {
        return q.data() + at(b, t, h) * width;
    }
    [[nodiscard]] const float* key(uint32_t b, uint32_t t, uint32_t h) const { return k.data() + at(b, t, h) * width; }
    [[nodiscard]] const float* value(uint32_t b, uint32_t t, uint32_t h) const
    {
        return v.data() + at(b, t, h) * columns;
    }
    /// Row (b T + t) H + h of any of the tensors.
    [[nodiscard]] size_t at(uint32_t b, uint32_t t, uint32_t h) const { return (size_t{b} * tokens + t) * heads + h; }
};

/// Every trace of a file: tensors q, k, v, or NODE.q, NODE.k, NODE.v for several nodes. At most the first `most_tokens`
/// of each. Throws std::runtime_error naming the file, what was expected and what was found.
std::vector<AttentionTrace> load_traces(const std::string& path, uint32_t most_tokens);
void save_traces(const std::vector<AttentionTrace>& traces, const std::string& path);

/// Random keys, values and queries whose exact weights are as skewed as asked for: the logits have the standard
/// deviation `skew` (0: uniform weights; 1: like random vectors; 4: a few keys take nearly all).
AttentionTrace generate_trace(uint32_t tokens, uint32_t heads, uint32_t width, double skew, uint64_t seed);

/// How much a query likes a key, as a function of s = q.k D^-1/2. The sharpest first.
enum class Kernel : uint32_t { exp, exp_half, quadratic, softplus };
const char* kernel_name(Kernel kernel);

/// Weights of token t over the keys 0 .. t: kernel values, scaled to sum 1.
std::vector<double> exact_weights(const AttentionTrace& trace, Kernel kernel, uint32_t b, uint32_t t, uint32_t h);
/// Causal softmax attention in float64: [B, T, H, E].
std::vector<double> exact_outputs(const AttentionTrace& trace);

} // namespace gramian::app
