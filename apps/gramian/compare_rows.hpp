// The price list of attention operators on a trace: what each one's answer is off by, what it keeps, and what a token
// costs it. Used by `gramian compare`.
#pragma once

#include "attention_trace.hpp"
#include "command.hpp"

#include <optional>

namespace gramian::app {

/// One operator, decoding the trace token by token as a session does; where it is not causal, all tokens at once.
struct PriceRow {
    std::string name;                   // "linear_attention elu1"
    std::string op;                     // the operator of the engine
    std::string setting;                // its attributes, readable
    std::string refusal;                // why the engine did not run it; the numbers are then 0
    double error = 0;                   // |o - exact| / |exact|, Frobenius over all tokens
    double worst_token = 0;             // largest |o_t - exact_t| over the root mean square of |exact_t|
    std::optional<double> weight_error; // mean over tokens of sum |w - p|; none where the weights depend on the values
    uint64_t state_bytes = 0;           // of one stream, at T tokens
    double bytes = 0;                   // moved by the kernels, per token and stream
    double us = 0;                      // per token and stream: median step over streams
    bool is_causal = true;              // the exact answer too
};

/// Every recurrent operator of the engine, each in a session of B streams, and LARA. `exact`: [B, T, H, E]; `budget`:
/// keys that the sparse ones may use.
std::vector<PriceRow> price_operators(const DeviceHandle& device, const AttentionTrace& trace,
                                      const std::vector<double>& exact, uint32_t budget);

/// A sparse approximation of some tokens' attention: R keys instead of all.
struct SparseRow {
    std::string method;
    Kernel kernel = Kernel::exp;
    double error = 0;        // |o - exact| / |exact| of the same kernel, Frobenius over the sampled tokens
    double worst_token = 0;  // as above
    double weight_error = 0; // mean over tokens of sum |w - p|
    double us = 0;           // per token: one operator call over the tokens that it took together
    double gain = 0;         // 1 - error / error of the value-oblivious choice with the same budget
};

struct SparseStudy {
    uint32_t budget = 0;
    std::vector<uint32_t> tokens;                // sampled positions
    std::vector<std::pair<Kernel, double>> skew; // share of the weight on the R largest, mean
    std::vector<SparseRow> rows;
    std::string refusal;
};

/// What a budget of R keys costs each method, for kernels from sharp to flat, on some tokens of the trace.
SparseStudy study_sparse(const DeviceHandle& device, const AttentionTrace& trace, uint32_t budget);

} // namespace gramian::app
